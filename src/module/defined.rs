//! Filters that the configuration itself defines (ExtFilterDefine), beside those that modules register.

use crate::request::FilterInstance;
use bstr::BString;

/// Kept in the state across servers: a filter's name holds everywhere. Names are compared without case.
#[derive(Clone, Default)]
pub struct DefinedFilters {
    output: Vec<(BString, FilterInstance)>,
    input: Vec<(BString, FilterInstance)>,
}

fn find<'a>(list: &'a [(BString, FilterInstance)], name: &[u8]) -> Option<&'a FilterInstance> {
    list.iter().rfind(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, instance)| instance)
}

impl DefinedFilters {
    pub fn define_output(&mut self, name: BString, instance: FilterInstance) {
        self.output.push((name, instance));
    }
    pub fn define_input(&mut self, name: BString, instance: FilterInstance) {
        self.input.push((name, instance));
    }
    pub fn output(&self, name: &[u8]) -> Option<&FilterInstance> {
        find(&self.output, name)
    }
    pub fn input(&self, name: &[u8]) -> Option<&FilterInstance> {
        find(&self.input, name)
    }
}
