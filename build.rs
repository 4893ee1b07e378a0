//! Cargo does not notice a new file beneath `migrations/`, and refinery embeds the folder at compile time.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
