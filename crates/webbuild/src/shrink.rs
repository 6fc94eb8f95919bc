//! Takes out of wasm, glue and style what only people read, and puts functions in an order that compresses well.
//!
//! ```text
//! web_bg.wasm   functions by length   short names of imports   no custom sections
//! web.js        the same names        no comments              no indentation
//! *.js, *.css                         no comments              no indentation
//! ```
use anyhow::{Context, Result, ensure};
use std::{collections::HashMap, convert::Infallible, fs, path::Path};
use wasm_encoder::{
    CodeSection, FunctionSection, ImportSection, Module,
    reencode::{self, Reencode},
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionSectionReader, ImportSectionReader, Parser, Payload,
    TypeRef,
};

/// Shortens what is in this folder.
pub(crate) fn shrink(folder: &Path) -> Result<()> {
    let (wasm_file, glue_file) = (folder.join("web_bg.wasm"), folder.join("web.js"));
    let wasm = fs::read(&wasm_file).context("cannot read the page's wasm")?;
    let (wasm, names) = shorter_wasm(&wasm)?;
    fs::write(&wasm_file, wasm).context("cannot write the page's wasm")?;
    let glue = fs::read_to_string(&glue_file).context("cannot read the page's glue")?;
    fs::write(&glue_file, with_names(glue, &names)?).context("cannot write the page's glue")?;

    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let shorter = match path.extension().and_then(|extension| extension.to_str()) {
            Some("js") => without_lines(&fs::read_to_string(&path)?),
            Some("css") => without_lines(&without_comments(&fs::read_to_string(&path)?)),
            _ => continue,
        };
        fs::write(&path, shorter).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Old names of modules and imports with their new ones, in the order of the imports.
type Names = Vec<(String, String)>;

fn shorter_wasm(wasm: &[u8]) -> Result<(Vec<u8>, Names)> {
    let (mut imported, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(&wasm[body.range()]),
            _ => {}
        }
    }
    // Those that are called most are short, and short numbers are a byte less each.
    let mut order: Vec<usize> = (0..bodies.len()).collect();
    order.sort_by_key(|at| (bodies[*at].len(), bodies[*at]));
    let mut numbers = vec![0; order.len()];
    for (number, at) in (imported..).zip(&order) {
        numbers[*at] = number;
    }

    let mut shorter = Shorter { imported, order, numbers, names: Vec::new(), modules: HashMap::new() };
    let mut module = Module::new();
    shorter
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .map_err(|error| anyhow::anyhow!("cannot shorten the page's wasm: {error}"))?;
    let mut names: Names = shorter.modules.into_iter().collect();
    names.sort();
    names.append(&mut shorter.names);
    Ok((module.finish(), names))
}

struct Shorter {
    /// How many functions are imported: their numbers come first, and stay.
    imported: u32,
    /// Which of the others comes where.
    order: Vec<usize>,
    /// The new number of each.
    numbers: Vec<u32>,
    names: Names,
    modules: HashMap<String, String>,
}

impl Reencode for Shorter {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        let own = function.checked_sub(self.imported);
        Ok(own.map_or(function, |own| self.numbers[own as usize]))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        for import in section.into_imports() {
            let import = import?;
            let count = self.modules.len();
            let module = self.modules.entry(import.module.to_owned()).or_insert_with(|| short(count)).clone();
            let name = short(self.names.len());
            imports.import(&module, &name, self.entity_type(import.ty)?);
            self.names.push((import.name.to_owned(), name));
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        let types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
        for at in &self.order {
            functions.function(types[*at]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for at in self.order.clone() {
            self.parse_function_body(code, bodies[at].clone())?;
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        _module: &mut Module,
        _section: CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        Ok(())
    }
}

/// `a`, `b`, … `z`, `ba`, …
fn short(mut number: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.insert(0, char::from(b'a' + (number % 26) as u8));
        number /= 26;
        if number == 0 {
            return letters.into_iter().collect();
        }
    }
}

/// The glue with the wasm's new names; each is a property of an object there.
fn with_names(mut glue: String, names: &Names) -> Result<String> {
    for (old, new) in names {
        let found: Vec<String> = [format!(" {old}: "), format!(" \"{old}\": ")]
            .into_iter()
            .filter(|key| glue.contains(key))
            .collect();
        let [key] = &found[..] else { anyhow::bail!("the glue has no import {old}") };
        ensure!(glue.matches(key).count() == 1, "the glue has more than one import {old}");
        glue = glue.replace(key, &format!(" {new}: "));
    }
    Ok(glue)
}

/// Without indentation, empty lines, and lines that are comments only.
fn without_lines(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines().map(str::trim) {
        inside |= line.starts_with("/*");
        if !inside && !line.is_empty() && !line.starts_with("//") {
            kept.extend([line, "\n"]);
        }
        inside &= !line.ends_with("*/");
    }
    kept
}

/// A style sheet without its comments. No text in ours has their marks.
fn without_comments(style: &str) -> String {
    let mut parts = style.split("/*");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once("*/").map_or("", |(_, after)| after));
    std::iter::once(first).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
        TypeSection, ValType,
    };

    /// Imports a function, and has a long one that calls a short one, which calls the imported one.
    fn module() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([], [ValType::I32]);
        let mut imports = ImportSection::new();
        imports.import("./web_bg.js", "__wbg_now_0123456789abcdef", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        functions.function(1).function(0);
        let mut exports = ExportSection::new();
        exports.export("long", ExportKind::Func, 1);
        let mut code = CodeSection::new();
        let (mut long, mut small) = (Function::new([]), Function::new([]));
        long.instructions().call(2).i32_const(70_000).end();
        small.instructions().call(0).end();
        code.function(&long).function(&small);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
        module.finish()
    }

    #[test]
    fn functions_are_in_the_order_of_their_length_and_still_call_each_other() {
        let (wasm, _) = shorter_wasm(&module()).unwrap();

        wasmparser::validate(&wasm).unwrap();
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                Payload::ExportSection(section) => {
                    assert_eq!(section.into_iter().next().unwrap().unwrap().index, 2);
                }
                Payload::CodeSectionEntry(body) => bodies.push(wasm[body.range()].to_vec()),
                _ => {}
            }
        }
        let [call, end] = [0x10, 0x0b];
        assert_eq!(bodies[0], [0, call, 0, end]);
        assert_eq!(bodies[1][..3], [0, call, 1]);
    }

    #[test]
    fn glue_and_wasm_have_the_same_names() {
        let (_, names) = shorter_wasm(&module()).unwrap();
        let glue = " __wbg_now_0123456789abcdef: function() {} \"./web_bg.js\": import0";

        let shorter = with_names(glue.to_owned(), &names).unwrap();

        assert_eq!(shorter, " a: function() {} a: import0");
        assert!(with_names("none of it".to_owned(), &names).is_err());
    }

    #[test]
    fn names_are_short_and_differ() {
        let names: std::collections::HashSet<String> = (0..1000).map(short).collect();

        assert_eq!(names.len(), 1000);
        assert_eq!((short(0), short(25), short(26)), ("a".to_owned(), "z".to_owned(), "ba".to_owned()));
    }

    #[test]
    fn comments_and_indentation_go_and_the_rest_stays() {
        let code =
            "/**\n * Says.\n */\nexport function a() {\n    // why\n    return b\n        * 2; // kept\n}\n";
        assert_eq!(without_lines(code), "export function a() {\nreturn b\n* 2; // kept\n}\n");
        assert_eq!(without_comments("a { /* one\n two */ b: c }/* three */"), "a {  b: c }");
    }
}
