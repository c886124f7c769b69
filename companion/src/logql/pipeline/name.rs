//! Names of labels made of whatever a line calls its fields.

/// Appends a field's name as part of a label's: what is no letter, digit or `_` becomes `_`, a digit at the very start gets
/// one before it. A blank name adds nothing.
pub(super) fn push_sanitized(label: &mut String, field: &str) {
    let field = field.trim();
    if label.is_empty() && field.starts_with(|first: char| first.is_ascii_digit()) {
        label.push('_');
    }
    label.extend(field.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' }));
}

/// Whether the name stands as it is.
pub(super) fn is_label(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_labels() {
        for (field, label) in [("a.b-c", "a_b_c"), ("1x", "_1x"), ("kéy", "k_y"), (" x y ", "x_y"), ("", ""), ("  ", "")] {
            let mut made = String::new();
            super::push_sanitized(&mut made, field);
            assert_eq!(made, label);
            assert!(super::is_label(&made) || made.is_empty());
        }
    }
}
