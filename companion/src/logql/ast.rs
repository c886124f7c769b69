//! What a query says, as it was read: each part knows where in the text it stands.
//!
//! `Display` of each part is its canonical text, which reads back as the same; two parts that differ only in where they stand
//! print the same.

mod display;

use std::ops::Range;

/// Bytes of the query's text.
pub type Span = Range<usize>;

/// `{app="x", env!="dev"}`
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// All must hold; at least one does not match the empty text.
    pub matchers: Vec<Matcher>,
    /// With its braces.
    pub span: Span,
}

/// `name="value"`
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what.
    pub value: String,
    /// From the name to the value.
    pub span: Span,
}

/// How a text is compared. Regular expressions match the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// A part of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What it does.
    pub kind: StageKind,
    /// From its sign on.
    pub span: Span,
}

/// What a part of a pipeline does.
#[derive(Clone, Debug, PartialEq)]
pub enum StageKind {
    /// `|= "a" or "b"`
    LineFilter {
        /// Which of the six signs.
        op: LineOp,
        /// Any of them: with a negative sign none.
        needles: Vec<Needle>,
    },
    /// `| json`, `| json a="b.c[0]"`
    Json(Vec<Field>),
    /// `| logfmt`
    Logfmt {
        /// A broken pair is an error.
        strict: bool,
        /// Keys without a value become labels too.
        keep_empty: bool,
        /// Only these keys; none for all.
        fields: Vec<Field>,
    },
    /// `| pattern "<a> <_>"`
    Pattern(String),
    /// `| regexp "(?P<a>x)"`
    Regexp(String),
    /// `| unpack`
    Unpack,
    /// `| status >= 400 and method="get"`
    LabelFilter(LabelFilter),
    /// `| line_format "{{.a}}"`
    LineFormat(String),
    /// `| label_format a=b, c="{{.d}}"`
    LabelFormat(Vec<LabelFormat>),
    /// `| keep a, b="c"`
    Keep(Vec<Pick>),
    /// `| drop a, b="c"`
    Drop(Vec<Pick>),
    /// `| decolorize`
    Decolorize,
    /// `| unwrap bytes(size)`
    Unwrap {
        /// How its value becomes a number.
        conversion: Conversion,
        /// Which.
        label: String,
    },
}

/// The sign of a line filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Regex,
    /// `!~`
    NotRegex,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

/// What a line filter looks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Needle {
    /// A text, a regular expression or a pattern.
    Text(String),
    /// `ip("10.0.0.0/8")`
    Ip(String),
}

/// A label and the expression that finds its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The label.
    pub name: String,
    /// A path or a key; without one the label's own name is it.
    pub expression: Option<String>,
    /// Both.
    pub span: Span,
}

/// A test of labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// `method="get"`
    Text(Matcher),
    /// `status >= 400`
    Number(Comparison<f64>),
    /// `took > 1s`, nanoseconds
    Duration(Comparison<i64>),
    /// `size > 1KB`
    Bytes(Comparison<u64>),
    /// `addr = ip("10.0.0.0/8")`
    Ip {
        /// The label.
        label: String,
        /// `!=`
        negated: bool,
        /// An address, a range of them or a network.
        addresses: String,
    },
    /// All of them, each asked.
    And(Vec<LabelFilter>),
    /// Any of them; those after the first that holds are not asked.
    Or(Vec<LabelFilter>),
}

/// A label compared with a number of some kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison<T> {
    /// The label.
    pub label: String,
    /// How.
    pub op: CompareOp,
    /// With what.
    pub value: T,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`, in label filters also `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// A label made by `label_format`.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelFormat {
    /// The label to be made.
    pub name: String,
    /// From what.
    pub from: FormatSource,
}

/// What `label_format` makes a label of.
#[derive(Clone, Debug, PartialEq)]
pub enum FormatSource {
    /// The label of this name, which is gone after.
    Rename(String),
    /// A template.
    Template(String),
}

/// What `keep` and `drop` name.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// A label.
    Name(String),
    /// A label where its value is such.
    Match(Matcher),
}

/// How an unwrapped label becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// As it stands.
    Number,
    /// A size, in bytes.
    Bytes,
    /// A duration, in seconds.
    Duration,
    /// The same by another name.
    DurationSeconds,
}

/// A metric query or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where.
    pub span: Span,
}

/// What a part of a metric query is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpressionKind {
    /// `1`
    Number(f64),
    /// `vector(1)`
    Vector(f64),
    /// `rate({app="x"}[5m])`
    Range(RangeAggregation),
    /// `sum by (a) (…)`
    Aggregation(VectorAggregation),
    /// `label_replace(…, "a", "$1", "b", "(.*)")`
    LabelReplace(LabelReplace),
    /// `… + …`
    Binary(Binary),
}

/// A function over the entries of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// Its number among the query's leaves.
    pub leaf: usize,
    /// Which function.
    pub function: RangeFunction,
    /// Of `quantile_over_time`.
    pub parameter: Option<f64>,
    /// Which streams.
    pub selector: Selector,
    /// What happens to their entries; at most one is `unwrap`.
    pub stages: Vec<Stage>,
    /// How far it looks back, nanoseconds.
    pub range: i64,
    /// How much earlier the window ends, nanoseconds.
    pub offset: i64,
    /// `by` or `without`.
    pub grouping: Option<Grouping>,
}

/// Which labels are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// `without`: all but these.
    pub without: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// An aggregation over series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    /// Which.
    pub function: VectorFunction,
    /// How many, of `topk` and its like.
    pub count: Option<usize>,
    /// Over what.
    pub inner: Box<Expression>,
    /// `by` or `without`.
    pub grouping: Option<Grouping>,
}

/// `label_replace`
#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    /// Over what.
    pub inner: Box<Expression>,
    /// The label to be set.
    pub target: String,
    /// To what; `$1` is a group's text.
    pub replacement: String,
    /// The label that is looked at.
    pub source: String,
    /// What its whole value must match.
    pub regex: String,
}

/// Two expressions and the sign between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The sign.
    pub op: BinaryOp,
    /// The left.
    pub left: Box<Expression>,
    /// The right.
    pub right: Box<Expression>,
    /// Which series meet.
    pub matching: Matching,
}

/// The sign of a binary operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// `==` and its like
    Compare(CompareOp),
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

/// Which series of two sides meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// `bool`: a comparison says 0 or 1.
    pub returns_bool: bool,
    /// `on` or `ignoring`; none for all labels.
    pub labels: Option<MatchingLabels>,
    /// `group_left` or `group_right`.
    pub group: Option<Group>,
}

/// `on(a, b)` or `ignoring(a, b)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchingLabels {
    /// `on`
    pub on: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// The side of which several series may meet one of the other, and the labels that it takes from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `group_left`: the left is the side of the many.
    pub left: bool,
    /// Labels taken from the other side.
    pub include: Vec<String>,
}

macro_rules! names {
    ($(#[$about:meta])* $type:ident { $($(#[$variant_about:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_about])* #[doc = concat!("`", $name, "`")] $variant,)* }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As a query writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The one of that name, in any case.
            pub fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.name().eq_ignore_ascii_case(name))
            }
        }
    };
}

names! {
    /// A function over a window.
    RangeFunction {
        Count = "count_over_time",
        Rate = "rate",
        RateCounter = "rate_counter",
        Bytes = "bytes_over_time",
        BytesRate = "bytes_rate",
        Absent = "absent_over_time",
        Sum = "sum_over_time",
        Average = "avg_over_time",
        Maximum = "max_over_time",
        Minimum = "min_over_time",
        StandardDeviation = "stddev_over_time",
        StandardVariance = "stdvar_over_time",
        Quantile = "quantile_over_time",
        First = "first_over_time",
        Last = "last_over_time",
    }
}

names! {
    /// An aggregation over series.
    VectorFunction {
        Sum = "sum",
        Average = "avg",
        Minimum = "min",
        Maximum = "max",
        Count = "count",
        StandardDeviation = "stddev",
        StandardVariance = "stdvar",
        Top = "topk",
        Bottom = "bottomk",
        ApproximateTop = "approx_topk",
        Sort = "sort",
        SortDescending = "sort_desc",
    }
}

impl RangeFunction {
    /// It works on numbers taken by `unwrap`.
    pub fn needs_unwrap(self) -> bool {
        !matches!(self, Self::Count | Self::Rate | Self::Bytes | Self::BytesRate | Self::Absent)
    }

    /// It may work on numbers taken by `unwrap`.
    pub fn takes_unwrap(self) -> bool {
        !matches!(self, Self::Count | Self::Bytes | Self::BytesRate)
    }

    /// `by` and `without` may follow.
    pub fn takes_grouping(self) -> bool {
        use RangeFunction::{Average, First, Last, Maximum, Minimum, Quantile, StandardDeviation, StandardVariance};
        matches!(self, Average | Maximum | Minimum | StandardDeviation | StandardVariance | Quantile | First | Last)
    }

    /// A sum over series of it is the same as itself over the entries of all of them.
    pub fn is_additive(self) -> bool {
        matches!(self, Self::Count | Self::Rate | Self::Bytes | Self::BytesRate | Self::Sum)
    }
}

impl Expression {
    /// It has no labels: a number, or two of them and a sign.
    pub fn is_scalar(&self) -> bool {
        match &self.kind {
            ExpressionKind::Number(_) => true,
            ExpressionKind::Binary(binary) => binary.left.is_scalar() && binary.right.is_scalar(),
            _ => false,
        }
    }

    /// Calls `visit` for it and all below it, in the order of the text.
    pub fn walk<'e>(&'e self, visit: &mut dyn FnMut(&'e Self)) {
        visit(self);
        match &self.kind {
            ExpressionKind::Number(_) | ExpressionKind::Vector(_) | ExpressionKind::Range(_) => {}
            ExpressionKind::Aggregation(aggregation) => aggregation.inner.walk(visit),
            ExpressionKind::LabelReplace(replace) => replace.inner.walk(visit),
            ExpressionKind::Binary(binary) => {
                binary.left.walk(visit);
                binary.right.walk(visit);
            }
        }
    }
}

impl MatchOp {
    /// `!=` and `!~`
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotRegex)
    }
}
