//! Certificate authorities of a test, and what they sign: PEM texts, made in memory.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM.
    pub key: String,
}

impl Authority {
    /// A new one; the name is for people only.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority signs itself"))
    }

    /// Its certificate, as PEM.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A server of these names or addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(names, |params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// The same, but no longer valid.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        self.sign(names, |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        })
    }

    /// A client of this name.
    pub fn client(&self, name: &str) -> Identity {
        self.sign(&[], |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        })
    }

    fn sign(&self, names: &[&str], shape: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names of hosts");
        shape(&mut params);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.0).expect("an authority signs").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}
