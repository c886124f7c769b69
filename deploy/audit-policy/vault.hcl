# What Vault must be told so that V1 to V12 see who came from where. The lines on audit are commands; the rest is configuration.

listener "tcp" {
  address       = "[::]:8200"
  tls_cert_file = "/vault/tls/tls.crt"
  tls_key_file  = "/vault/tls/tls.key"

  # Without this, the address of every request is the ingress's, and V7 is blind or, worse, content. Name the ingress alone, by
  # addresses that only it can have (an IP pool of its own, or its nodes): if the whole pod network is trusted, any pod writes any
  # address into the header.
  x_forwarded_for_authorized_addrs = "10.10.254.0/28"
  # The last entry of the header is the one that the ingress itself wrote.
  x_forwarded_for_hop_skips = 0
  # Clients in the cluster come without an ingress, and without the header: theirs is the address of the connection.
  x_forwarded_for_reject_not_present = false
  # Who is not the ingress and sends the header anyway is refused.
  x_forwarded_for_reject_not_authorized = true
}

# Two devices, since Vault refuses every request when it can write to none. Each on a volume of its own.
#
#     vault audit enable -path=file file file_path=/vault/audit/audit.log mode=0640 elide_list_responses=true
#     vault audit enable -path=file2 file file_path=/vault/audit2/audit.log mode=0640 elide_list_responses=true
#
# - `log_raw` stays off: secrets are hashed then, and no rule needs more.
# - `hmac_accessor` stays on: accessors are as good as tokens to whoever may revoke them.
# - `elide_list_responses` leaves lists of thousands of keys out; no rule reads them.
# - Rotate by renaming and SIGHUP; the agent reads the renamed file to its end.
#
# The chain of the header and the client's program, for whoever reads an alert:
#
#     vault write sys/config/auditing/request-headers/x-forwarded-for hmac=false
#     vault write sys/config/auditing/request-headers/user-agent hmac=false
#
# The server's own log tells of unseals, which the audit log does not (V3). Ship it as job `vault-server`.
log_level  = "info"
log_format = "json"
