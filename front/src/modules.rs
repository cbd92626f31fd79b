//! Which script modules a page needs at once: what its first module imports, and what that imports. A page names them all,
//! so that the browser asks for them together and not one after the other. It knows nothing of what they do.

use std::{collections::BTreeSet, fs, path::Path};

/// The modules of each page, as paths below the folder of assets.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    form: Vec<String>,
    room: Vec<String>,
}

impl Modules {
    /// Reads them from the folder of assets. What is not there is left out: the browser says so better.
    pub fn read(assets: &Path) -> Self {
        Self { form: graph(assets, "app/index.js"), room: graph(assets, "app/main.js") }
    }

    /// What the form needs, beside its first module.
    pub fn of_form(&self) -> &[String] {
        &self.form
    }

    /// What a room needs, beside its first module.
    pub fn of_room(&self) -> &[String] {
        &self.room
    }
}

/// Everything that `first` imports, near or far, in the order of names; not what is imported on need (`import()`).
fn graph(assets: &Path, first: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![first.to_owned()];
    while let Some(module) = left.pop() {
        let Ok(source) = fs::read_to_string(assets.join(&module)) else { continue };
        left.extend(
            imports(&source).filter_map(|import| resolve(&module, import)).filter(|path| !found.contains(path)),
        );
        found.insert(module);
    }
    found.remove(first);
    found.into_iter().collect()
}

/// The addresses in `import … from '…'`, `export … from '…'` and `import '…'`, as the modules here are written.
fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let line = line.strip_suffix("';")?;
        let (before, address) = line.rsplit_once('\'')?;
        let imports = before == "import " || before.ends_with(" from ");
        (imports && !before.trim_start().starts_with("//")).then_some(address)
    })
}

/// The path that an address means in a module; nothing where it leads out of the folder.
fn resolve(module: &str, address: &str) -> Option<String> {
    let mut path: Vec<&str> = module.split('/').collect();
    path.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => _ = path.pop()?,
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let source = "// from './no.js';\nimport './a.js';\nimport { b } from '../b.js';\nimport {\n  c,\n} from './c/d.js';\n\
                      export { e } from './e.js';\nconst f = await import('./f.js');\nconst g = t('from');\n";
        let found: Vec<_> = imports(source).filter_map(|import| resolve("app/x/main.js", import)).collect();
        assert_eq!(found, ["app/x/a.js", "app/b.js", "app/x/c/d.js", "app/x/e.js"]);
        assert_eq!(resolve("main.js", "../../x.js"), None);
    }

    #[test]
    fn a_room_needs_each_module_once_and_they_are_there() {
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
        let modules = Modules::read(&assets);
        for needed in ["app/timeline.js", "app/transports/ladder.js", "app/markup/inline.js"] {
            assert!(modules.of_room().iter().any(|module| module == needed), "{needed}");
        }
        assert!(!modules.of_room().iter().any(|module| module == "app/main.js"));
        assert!(modules.of_form().len() < modules.of_room().len());
    }
}
