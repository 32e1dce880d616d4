//! Sizes and offsets of the plain structs that the IDL describes: `repr(C)`, little-endian.

use anchor_lang_idl::types::{Idl, IdlArrayLen, IdlDefinedFields, IdlField, IdlType, IdlTypeDefTy};
use anyhow::{bail, Context, Result};

/// Size and alignment in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Size.
    pub size: usize,
    /// Alignment.
    pub align: usize,
}

/// The fields of a struct with names.
///
/// # Errors
/// When the IDL has no such struct.
pub fn fields<'a>(idl: &'a Idl, name: &str) -> Result<&'a [IdlField]> {
    let definition = idl.types.iter().find(|found| found.name == name);
    match &definition
        .with_context(|| format!("the IDL has no type {name}"))?
        .ty
    {
        IdlTypeDefTy::Struct {
            fields: Some(IdlDefinedFields::Named(fields)),
        } => Ok(fields),
        _ => bail!("{name} is not a struct with named fields"),
    }
}

/// The offset of each field of a struct, and the struct's layout.
///
/// # Errors
/// For a field whose type has no fixed size, and for padding that the struct does not name.
pub fn offsets(idl: &Idl, name: &str) -> Result<(Vec<usize>, Layout)> {
    let mut offsets = Vec::new();
    let mut whole = Layout { size: 0, align: 1 };
    for field in fields(idl, name)? {
        let layout = of(idl, &field.ty)?;
        if !whole.size.is_multiple_of(layout.align) {
            bail!("{name}.{} is not aligned: name the padding", field.name);
        }
        offsets.push(whole.size);
        whole.size += layout.size;
        whole.align = whole.align.max(layout.align);
    }
    if !whole.size.is_multiple_of(whole.align) {
        bail!("{name} ends in padding that has no name");
    }
    Ok((offsets, whole))
}

/// The layout of a type.
fn of(idl: &Idl, ty: &IdlType) -> Result<Layout> {
    let plain = |size| Ok(Layout { size, align: size });
    match ty {
        IdlType::U8 | IdlType::I8 | IdlType::Bool => plain(1),
        IdlType::U16 | IdlType::I16 => plain(2),
        IdlType::U32 | IdlType::I32 => plain(4),
        IdlType::U64 | IdlType::I64 => plain(8),
        IdlType::Pubkey => Ok(Layout { size: 32, align: 1 }),
        IdlType::Array(item, IdlArrayLen::Value(length)) => {
            let Layout { size, align } = of(idl, item)?;
            let size = size * length;
            Ok(Layout { size, align })
        }
        IdlType::Defined { name, .. } => Ok(offsets(idl, name)?.1),
        other => bail!("a type without a fixed size in an account: {other:?}"),
    }
}

/// The type as a reader writes it.
#[must_use]
pub fn name(ty: &IdlType) -> String {
    match ty {
        IdlType::Array(item, IdlArrayLen::Value(length)) => format!("[{}; {length}]", name(item)),
        IdlType::Vec(item) => format!("Vec<{}>", name(item)),
        IdlType::Option(item) => format!("Option<{}>", name(item)),
        IdlType::Defined { name, .. } => name.clone(),
        IdlType::Pubkey => "Pubkey".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::{name, offsets};
    use anchor_lang_idl::types::{Idl, IdlType};

    fn idl() -> Idl {
        let json = r#"{
            "address": "", "metadata": {"name": "", "version": "", "spec": ""}, "instructions": [],
            "types": [
                {"name": "Inner", "type": {"kind": "struct", "fields": [
                    {"name": "a", "type": "u16"}, {"name": "padding", "type": {"array": ["u8", 6]}},
                    {"name": "b", "type": "i64"}]}},
                {"name": "Outer", "type": {"kind": "struct", "fields": [
                    {"name": "key", "type": "pubkey"},
                    {"name": "inner", "type": {"array": [{"defined": {"name": "Inner"}}, 3]}},
                    {"name": "last", "type": "u64"}]}},
                {"name": "Loose", "type": {"kind": "struct", "fields": [
                    {"name": "a", "type": "u8"}, {"name": "b", "type": "u32"}]}}
            ]}"#;
        serde_json::from_str(json).expect("the description is well formed")
    }

    #[test]
    fn nested_structs_are_laid_out() {
        let (starts, layout) = offsets(&idl(), "Outer").unwrap();
        assert_eq!(
            (starts, layout.size, layout.align),
            (vec![0, 32, 80], 88, 8)
        );
    }

    #[test]
    fn padding_without_a_name_is_an_error() {
        assert!(offsets(&idl(), "Loose").is_err());
        assert!(offsets(&idl(), "Missing").is_err());
    }

    #[test]
    fn types_are_named_as_in_rust() {
        assert_eq!(name(&IdlType::U64), "u64");
        assert_eq!(
            name(&IdlType::Vec(Box::new(IdlType::Pubkey))),
            "Vec<Pubkey>"
        );
    }
}
