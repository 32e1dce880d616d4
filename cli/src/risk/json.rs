//! JSON with numbers kept as written, and a cursor that knows the path of every value.

use std::fmt;

use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ReaderSettings, ValueType};
use struson::writer::{JsonStreamWriter, JsonWriter};

use super::decimal::Decimal;

/// A JSON value; numbers are their text.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object, in the order written, repeated names included.
    Object(Vec<(String, Node)>),
}

/// A wrong input: where it is and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    path: String,
    message: String,
}

impl InputError {
    /// An error at a path such as `markets[0].spot`; empty for the input as a whole.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "input"
        } else {
            &self.path
        };
        write!(f, "{path}: {}", self.message)
    }
}

impl Node {
    /// Reads one JSON document.
    pub fn read(bytes: &[u8]) -> Result<Self, InputError> {
        // Numbers beyond what `Decimal` takes are refused there, with their path.
        let settings = ReaderSettings {
            restrict_number_values: false,
            ..ReaderSettings::default()
        };
        let mut reader = JsonStreamReader::new_custom(bytes, settings);
        let node = read_value(&mut reader).and_then(|node| {
            reader.consume_trailing_whitespace()?;
            Ok(node)
        });
        node.map_err(|error| InputError::new("", error.to_string()))
    }

    /// The document as indented text; objects of plain values take one line.
    pub fn pretty(&self) -> std::io::Result<String> {
        let mut out = String::new();
        self.layout(0, &mut out)?;
        Ok(out)
    }

    fn is_plain(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Object(_))
    }

    fn layout(&self, indent: usize, out: &mut String) -> std::io::Result<()> {
        let mut items: Vec<(String, &Self)> = Vec::new();
        let (open, close) = match self {
            Self::List(list) => {
                items.extend(list.iter().map(|item| (String::new(), item)));
                ('[', ']')
            }
            Self::Object(fields) => {
                for (name, value) in fields {
                    items.push((scalar(&Self::Text(name.clone()))? + ": ", value));
                }
                ('{', '}')
            }
            plain => {
                out.push_str(&scalar(plain)?);
                return Ok(());
            }
        };
        let one_line = items.iter().all(|(_, item)| item.is_plain());
        let inner = indent + 2;
        out.push(open);
        for (position, (name, item)) in items.iter().enumerate() {
            let separator = match (position, one_line) {
                (0, true) => "",
                (_, true) => ", ",
                (0, false) => "\n",
                (_, false) => ",\n",
            };
            out.push_str(separator);
            if !one_line {
                out.extend(std::iter::repeat_n(' ', inner));
            }
            out.push_str(name);
            item.layout(inner, out)?;
        }
        if !one_line {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push(close);
        Ok(())
    }
}

impl From<Decimal> for Node {
    fn from(value: Decimal) -> Self {
        Self::Number(value.to_string())
    }
}

impl From<&str> for Node {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// An object from names and values.
pub fn object<const N: usize>(fields: [(&str, Node); N]) -> Node {
    Node::Object(
        fields
            .into_iter()
            .map(|(name, node)| (name.to_owned(), node))
            .collect(),
    )
}

fn read_value(reader: &mut impl JsonReader) -> Result<Node, ReaderError> {
    Ok(match reader.peek()? {
        ValueType::Null => {
            reader.next_null()?;
            Node::Null
        }
        ValueType::Boolean => Node::Bool(reader.next_bool()?),
        ValueType::Number => Node::Number(reader.next_number_as_string()?),
        ValueType::String => Node::Text(reader.next_string()?),
        ValueType::Array => {
            let mut items = Vec::new();
            reader.begin_array()?;
            while reader.has_next()? {
                items.push(read_value(reader)?);
            }
            reader.end_array()?;
            Node::List(items)
        }
        ValueType::Object => {
            let mut fields = Vec::new();
            reader.begin_object()?;
            while reader.has_next()? {
                let name = reader.next_name_owned()?;
                fields.push((name, read_value(reader)?));
            }
            reader.end_object()?;
            Node::Object(fields)
        }
    })
}

/// A plain value as JSON text.
fn scalar(node: &Node) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut writer = JsonStreamWriter::new(&mut bytes);
    match node {
        Node::Bool(value) => writer.bool_value(*value)?,
        Node::Number(text) => writer
            .number_value_from_string(text)
            .map_err(std::io::Error::other)?,
        Node::Text(text) => writer.string_value(text)?,
        Node::Null | Node::List(_) | Node::Object(_) => writer.null_value()?,
    }
    writer.finish_document()?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// A value and the way to it.
#[derive(Clone, Debug)]
pub struct At<'a> {
    /// For example `markets[0].expiries[1].vol`.
    pub path: String,
    node: &'a Node,
}

/// The fields of an object whose names were all checked.
pub struct Fields<'a> {
    path: String,
    entries: &'a [(String, Node)],
}

impl<'a> At<'a> {
    /// The whole document.
    pub fn root(node: &'a Node) -> Self {
        Self {
            path: String::new(),
            node,
        }
    }

    /// An error at this value.
    pub fn fail(&self, message: impl Into<String>) -> InputError {
        InputError::new(self.path.clone(), message)
    }

    fn wrong_type(&self, wanted: &str) -> InputError {
        let found = match self.node {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Number(_) => "a number",
            Node::Text(_) => "a string",
            Node::List(_) => "an array",
            Node::Object(_) => "an object",
        };
        self.fail(format!("expected {wanted}, found {found}"))
    }

    /// As an object with no other fields than `known`, none of them twice.
    pub fn object(&self, known: &[&str]) -> Result<Fields<'a>, InputError> {
        let Node::Object(entries) = self.node else {
            return Err(self.wrong_type("an object"));
        };
        let fields = Fields {
            path: self.path.clone(),
            entries,
        };
        for (position, (name, _)) in entries.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let message = format!("unknown field; known here: {}", known.join(", "));
                return Err(InputError::new(fields.path_of(name), message));
            }
            if entries
                .iter()
                .take(position)
                .any(|(other, _)| other == name)
            {
                return Err(InputError::new(fields.path_of(name), "given twice"));
            }
        }
        Ok(fields)
    }

    /// As an array.
    pub fn list(&self) -> Result<Vec<At<'a>>, InputError> {
        let Node::List(items) = self.node else {
            return Err(self.wrong_type("an array"));
        };
        let item = |(index, node)| At {
            path: format!("{}[{index}]", self.path),
            node,
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// As a string that is not empty.
    pub fn text(&self) -> Result<&'a str, InputError> {
        match self.node {
            Node::Text(text) if text.is_empty() => Err(self.fail("must not be empty")),
            Node::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// As an exact decimal.
    pub fn decimal(&self) -> Result<Decimal, InputError> {
        match self.node {
            Node::Number(text) => Decimal::parse(text).map_err(|message| self.fail(message)),
            _ => Err(self.wrong_type("a number")),
        }
    }

    /// As a decimal above zero.
    pub fn positive(&self) -> Result<Decimal, InputError> {
        let value = self.decimal()?;
        if value.is_negative() || value == Decimal::ZERO {
            return Err(self.fail(format!("{value} must be above 0")));
        }
        Ok(value)
    }

    /// As a decimal of at least zero.
    pub fn not_negative(&self) -> Result<Decimal, InputError> {
        let value = self.decimal()?;
        if value.is_negative() {
            return Err(self.fail(format!("{value} must not be below 0")));
        }
        Ok(value)
    }

    /// As a whole number of a type it fits.
    pub fn whole<T: TryFrom<i128>>(&self) -> Result<T, InputError> {
        let value = self.decimal()?;
        if value.decimals() > 0 {
            return Err(self.fail(format!("{value} must be a whole number")));
        }
        T::try_from(value.mantissa()).map_err(|_| self.fail(format!("{value} is out of range")))
    }
}

impl<'a> Fields<'a> {
    /// The path of a field of this object.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field that may be left out or `null`.
    pub fn optional(&self, name: &str) -> Option<At<'a>> {
        let (_, node) = self.entries.iter().find(|(field, _)| field == name)?;
        (*node != Node::Null).then(|| At {
            path: self.path_of(name),
            node,
        })
    }

    /// A field that must be there.
    pub fn required(&self, name: &str) -> Result<At<'a>, InputError> {
        self.optional(name)
            .ok_or_else(|| InputError::new(self.path_of(name), "missing"))
    }

    /// The items of an array that may be left out.
    pub fn items(&self, name: &str) -> Result<Vec<At<'a>>, InputError> {
        self.optional(name)
            .map_or(Ok(Vec::new()), |field| field.list())
    }

    /// An error if a field that has no place here is given.
    pub fn absent(&self, name: &str, why: &str) -> Result<(), InputError> {
        match self.optional(name) {
            Some(field) => Err(field.fail(why)),
            None => Ok(()),
        }
    }
}
