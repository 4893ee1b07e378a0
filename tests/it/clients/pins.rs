//! What is fetched is pinned, to the byte, and names no registry: whoever builds fetches from the one that they trust.

use std::fs;

use serde_json::Value;

use super::sources;
use crate::in_code;

#[test]
fn every_python_package_is_pinned_by_hashes() {
    for (name, folder) in [
        ("python", sources("python")),
        ("schemathesis", sources("schemathesis")),
        ("signalwire", sources("signalwire")),
        ("twilio", sources("twilio")),
        ("fastapi", in_code::example("fastapi")),
    ] {
        let text = fs::read_to_string(folder.join("requirements.txt")).unwrap();
        let joined = text.replace("\\\n", "");
        let mut packages = 0;
        for line in joined.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            packages += 1;
            assert!(line.contains("==") && line.contains("--hash=sha256:"), "{name}: {line}");
        }
        assert!(packages > 5, "{name} has {packages} packages");
        assert!(!text.contains("://") && !text.contains("-index") && !text.contains("-links"), "{name} names a place");
    }
}

#[test]
fn every_node_package_is_pinned_by_a_hash() {
    for folder in [sources("node"), in_code::example("express")] {
        let text = fs::read_to_string(folder.join("package-lock.json")).unwrap();
        let lock: Value = serde_json::from_str(&text).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 5);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")), "{name}");
            assert!(package["resolved"].is_null(), "{name} names a place");
        }
    }
}
