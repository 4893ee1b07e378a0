//! `tokensmith token verify`

use insta::{allow_duplicates, assert_snapshot};
use rstest::rstest;

use crate::support::{Backend, Operator, Ran, created, masked};

const REFUSED: &str = "error: the credential is not valid\n";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_good_credential_is_described(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let parent = operator.project("Acme");
    let create = ["project", "create", "Child", "--json", "--parent", &parent.id.to_string()];
    let child = created(&operator.run(&create).json());

    let verify = |arguments: &[&str]| {
        let credential = format!("{}:{}", child.id, child.secret);
        operator.run_with(&[&["token", "verify"], arguments].concat(), credential).done()
    };
    let text = verify(&[]);
    let json = verify(&["--json"]);

    allow_duplicates! {
        assert_snapshot!(masked(&text), @"
        valid        yes
        project      <uuid>
        token        <uuid>
        name         management
        permissions  management
        ");
        assert_snapshot!(masked(&json), @r#"{"valid":true,"project_id":"<uuid>","parent_project_id":"<uuid>","token_id":"<uuid>","name":"management","permissions":["management"]}"#);
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["project_id"], child.id.to_string());
    assert_eq!(json["parent_project_id"], parent.id.to_string());
    assert_eq!(json["token_id"], child.token_id);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_line_is_no_part_of_a_credential_and_everything_else_is(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let (id, secret) = (project.id.to_string(), project.secret.as_str());
    let verify = |stdin: &[u8]| operator.run_with(&["token", "verify"], stdin);
    let whole = format!("{id}:{secret}");

    for good in [
        whole.clone(),
        format!("{whole}\n"),
        format!("{whole}\r\n"),
        whole.replacen(&id, &id.to_uppercase(), 1),
        // As it is found in a repository, without its project.
        secret.to_owned(),
        format!("{secret}\n"),
        format!("{secret}\r\n"),
    ] {
        verify(good.as_bytes()).done();
    }
    for bad in [
        String::new(),
        "\n".to_owned(),
        ":".to_owned(),
        id.clone(),
        format!(" {secret}"),
        format!("{secret} "),
        format!("{secret}\n\n"),
        secret.to_uppercase(),
        format!("Bearer {secret}"),
        format!("{id}:"),
        format!(":{secret}"),
        format!(" {whole}"),
        format!("\n{whole}"),
        format!("\u{feff}{whole}"),
        format!("{whole} "),
        format!("{whole}\n\n"),
        format!("{whole}\r\r\n"),
        format!("{whole}\r"),
        format!("{whole}\nmore"),
        format!("{id} :{secret}"),
        format!("{id}: {secret}"),
        format!("{id}:{}", secret.to_uppercase()),
        format!("{id}:{}", &secret[..49]),
        format!("{}:{secret}", id.replace('-', "")),
        format!("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d:{secret}"),
        format!("{whole}{}", " ".repeat(5_000_000)),
    ] {
        let complaint = verify(bad.as_bytes()).refused();

        assert_eq!(complaint, REFUSED, "{:.200?}", bad);
    }
    assert_eq!(verify(&[&whole.as_bytes()[..60], b"\xff\xfe"].concat()).refused(), REFUSED);
    assert_eq!(verify(&[0; 4096]).refused(), REFUSED);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_with_a_right_selector_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme");
    let mut bytes = [0; 24];
    base16ct::lower::decode(&project.secret[2..], &mut bytes).unwrap();

    bytes[10] ^= 1;
    let checksum = crc32fast::hash(&bytes[..20]).to_be_bytes();
    bytes[20..].copy_from_slice(&checksum);
    let forged = format!("PT{}", base16ct::lower::encode_string(&bytes));

    assert!(operator.verifies(project.id, &project.secret));
    assert!(!operator.verifies(project.id, &forged));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_asked_for_as_well(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let operator = Operator::migrated(backend).await;
    let project = operator.project("Acme").id.to_string();
    let create = ["token", "create", "--project", &project, "--name", "x", "-p", "chat,fax", "--json"];
    let secret = operator.run(&create).json()["token"].as_str().unwrap().to_owned();
    let verify = |arguments: &[&str]| -> Ran {
        operator.run_with(&[&["token", "verify"], arguments].concat(), format!("{project}:{secret}\n"))
    };

    verify(&["-p", "chat"]).done();
    verify(&["--permission", "fax", "--permission", "chat"]).done();
    verify(&["-p", "chat,fax"]).done();
    for missing in ["video", "management", "swim", "Chat", ""] {
        let complaint = verify(&["-p", "chat", "-p", missing]).refused();
        let is_known = matches!(missing, "video" | "management");
        let list = ", which is unknown; allowed are calling, chat,";
        assert_eq!(complaint.contains(list), !is_known, "{complaint}");

        let told = format!("the credential is valid, but this token lacks the permission \"{missing}\"");
        assert!(complaint.contains(&told), "{complaint}");
    }
    for ran in [verify(&["-p", "video", "--json"]), operator.run_with(&["token", "verify", "--json"], "nonsense")] {
        assert_eq!(ran.code, 1);
        assert_eq!(ran.stdout, "{\"valid\":false}\n");
        assert!(ran.stderr.starts_with("error: the credential is "), "{}", ran.stderr);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_proves_what_it_issues_and_writes_nothing_when_it_only_checks(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const UNPROVEN: &str = "select count(*) from token_secrets where proof is null";
    let operator = Operator::migrated(backend).await;
    let key = "77".repeat(32);
    let create = |key: &str| {
        let mut command = operator.command(&["project", "create", "Acme", "--json"]);
        created(&crate::support::run(command.env("TOKENSMITH_SERVER__KEY", key)).json())
    };

    create(&key);
    assert_eq!(operator.database.count(UNPROVEN).await, 0);
    let unproven = create("");
    assert_eq!(operator.database.count(UNPROVEN).await, 1);

    let mut verify = operator.command(&["token", "verify"]);
    let credential = format!("{}:{}", unproven.id, unproven.secret);
    let ran = crate::support::run_with(verify.env("TOKENSMITH_SERVER__KEY", &key), credential.as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(operator.database.count(UNPROVEN).await, 1);
}
