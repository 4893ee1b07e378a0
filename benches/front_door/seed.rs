//! Databases with any number of tokens in them. A million argon2id runs would take hours, so what is seeded in bulk has a
//! hash that nothing ever matches, and a proof, as tokens of a server with a key have: only that is looked at. Tokens
//! without a proof have a real hash.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, QueryBuilder, SqliteConnection, postgres::PgConnectOptions};
use tokensmith::{
    domain::{Proof, Secret, SecretId, Tenant},
    entropy::{Entropy, SystemEntropy},
    service::{Cost, Hasher, Key, Keys, ProofKeys},
    store::{migrate, sqlite},
};
use uuid::Uuid;

pub const KEY_DIGITS: &str = "0707070707070707070707070707070707070707070707070707070707070707";

/// Tokens of one project, and rows of one statement: neither database binds many more values at once.
const CHUNK: usize = 1_000;

/// Any time will do.
const NOW: i64 = 1_790_000_000_000_000;

/// Makes and migrates an empty SQLite database. Returns its URL.
pub async fn sqlite(directory: &Path, name: &str) -> String {
    let path = directory.join(format!("{name}.db"));
    sqlite::create(&path).unwrap();
    migrate::sqlite(&path).await.unwrap();
    format!("sqlite://{}", path.display())
}

/// The same on a Postgres server.
pub async fn postgres(server: &str, name: &str) -> String {
    let options = PgConnectOptions::from_str(server).unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut connection).await.unwrap();
    let url = server.replace("/postgres?", &format!("/{name}?"));
    migrate::postgres(&PgConnectOptions::from_str(&url).unwrap()).await.unwrap();
    url
}

/// The server that is lent loses what a crash takes; here commits reach the disk, as users' do.
pub async fn make_durable(server: &str) {
    let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(server).unwrap()).await.unwrap();
    for sql in ["alter system set fsync = on", "alter system set full_page_writes = on", "select pg_reload_conf()"] {
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}

struct Row {
    token: Uuid,
    id: SecretId,
    secret: Secret,
    hash: String,
    proof: Option<Proof>,
}

/// Adds so many tokens that have a proof. Returns the file with their credentials, a line each.
pub async fn proven(database: &str, directory: &Path, name: &str, tokens: usize) -> PathBuf {
    let proofs = ProofKeys::new(&Keys::new(Some(Key::new([7; 32])), Vec::new()));
    let (path, mut file) = credentials(directory, name);
    let mut left = tokens;
    while left > 0 {
        let rows: Vec<Row> = (0..left.min(CHUNK))
            .map(|_| {
                let (secret, id) = (Secret::generate(&SystemEntropy), SecretId::from(SystemEntropy.uuid()));
                let hash = no_hash();
                let proof = proofs.prove(id, &hash, &secret);
                Row { token: SystemEntropy.uuid(), id, secret, hash, proof }
            })
            .collect();
        left -= rows.len();
        insert(database, &rows, &mut file).await;
    }
    file.flush().unwrap();
    analyze(database).await;
    path
}

/// Adds so many tokens without a proof, with a real hash of that cost.
pub async fn unproven(database: &str, directory: &Path, name: &str, tokens: usize, cost: Cost) -> PathBuf {
    let hasher = Hasher::start(cost, super::cores(), tokens, Arc::new(SystemEntropy)).unwrap();
    let (path, mut file) = credentials(directory, name);
    let hashed: Vec<_> = (0..tokens)
        .map(|_| {
            let (secret, hasher) = (Secret::generate(&SystemEntropy), hasher.clone());
            tokio::spawn(async move {
                // The hasher gives up what waits too long; here nobody is in a hurry.
                let hash = loop {
                    if let Ok(hash) = hasher.hash(Tenant::Operator, secret.reveal()).await {
                        break hash;
                    }
                };
                let id = SecretId::from(SystemEntropy.uuid());
                Row { token: SystemEntropy.uuid(), id, secret, hash, proof: None }
            })
        })
        .collect();
    let mut rows = Vec::new();
    for row in hashed {
        rows.push(row.await.unwrap());
    }
    for rows in rows.chunks(CHUNK) {
        insert(database, rows, &mut file).await;
    }
    file.flush().unwrap();
    path
}

/// Credentials that nobody has: such that find no row, or such that are none.
pub fn unknown(directory: &Path, name: &str, count: usize, make: impl Fn() -> String) -> PathBuf {
    let (path, mut file) = credentials(directory, name);
    for _ in 0..count {
        writeln!(file, "{}", basic(SystemEntropy.uuid(), &make())).unwrap();
    }
    file.flush().unwrap();
    path
}

/// The same credentials with another secret under the same selector, whose checksum is right.
pub fn wrong(directory: &Path, name: &str, right: &Path) -> PathBuf {
    let (path, mut file) = credentials(directory, name);
    for line in std::fs::read_to_string(right).unwrap().lines() {
        let decoded = STANDARD.decode(line.strip_prefix("Basic ").unwrap()).unwrap();
        let text = std::str::from_utf8(&decoded).unwrap();
        let mut bytes = *Secret::parse(&text[37..]).unwrap().as_bytes();
        bytes[10] ^= 1;
        let checksum = crc32fast::hash(&bytes[..20]).to_be_bytes();
        bytes[20..].copy_from_slice(&checksum);
        let secret = format!("PT{}", base16ct::lower::encode_string(&bytes));
        writeln!(file, "{}", basic(text[..36].parse().unwrap(), &secret)).unwrap();
    }
    file.flush().unwrap();
    path
}

fn credentials(directory: &Path, name: &str) -> (PathBuf, BufWriter<File>) {
    let path = directory.join(format!("{name}.credentials"));
    let file = BufWriter::new(File::create(&path).unwrap());
    (path, file)
}

fn basic(project: Uuid, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{project}:{secret}")))
}

fn no_hash() -> String {
    let mut random = [0; 48];
    SystemEntropy.fill(&mut random);
    let (salt, digest) = random.split_at(16);
    format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest))
}

async fn insert(database: &str, rows: &[Row], file: &mut impl Write) {
    let project = SystemEntropy.uuid();
    for row in rows {
        writeln!(file, "{}", basic(project, &row.secret.reveal())).unwrap();
    }
    if let Some(path) = database.strip_prefix("sqlite://") {
        let mut connection = SqliteConnection::connect(path).await.unwrap();
        sqlx::raw_sql("pragma synchronous = off").execute(&mut connection).await.unwrap();
        insert_into_sqlite(&mut connection, project, rows).await;
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(database).unwrap()).await.unwrap();
        insert_into_postgres(&mut connection, project, rows).await;
        connection.close().await.unwrap();
    }
}

macro_rules! insert_into {
    ($name:ident, $connection:ty) => {
        async fn $name(connection: &mut $connection, project: Uuid, rows: &[Row]) {
            let mut transaction = connection.begin().await.unwrap();
            let mut sql = QueryBuilder::new(
                "insert into projects (id, name, protect_recordings, protect_message_media, protect_fax_media, \
                 force_https_requests, token_count, created_at, updated_at) ",
            );
            sql.push_values([project], |mut values, project| {
                values.push_bind(project).push_bind("seeded");
                for _ in 0..4 {
                    values.push_bind(false);
                }
                values.push_bind(rows.len() as i64).push_bind(NOW).push_bind(NOW);
            });
            sql.build().execute(&mut *transaction).await.unwrap();
            let mut sql =
                QueryBuilder::new("insert into tokens (id, project_id, name, permissions, created_at, updated_at) ");
            sql.push_values(rows, |mut values, row| {
                values.push_bind(row.token).push_bind(project).push_bind("token number 0000");
                values.push_bind("calling chat messaging").push_bind(NOW).push_bind(NOW);
            });
            sql.build().execute(&mut *transaction).await.unwrap();
            let mut sql = QueryBuilder::new(
                "insert into token_secrets (id, token_id, selector, hash, check_bytes, created_at, proof, proof_key) ",
            );
            sql.push_values(rows, |mut values, row| {
                values.push_bind(row.id.as_uuid()).push_bind(row.token);
                values.push_bind(row.secret.selector().as_bytes().to_vec()).push_bind(row.hash.clone());
                values.push_bind(row.secret.check().as_bytes().to_vec()).push_bind(NOW);
                values.push_bind(row.proof.map(|proof| proof.mac().to_vec()));
                values.push_bind(row.proof.map(|proof| proof.key().to_vec()));
            });
            sql.build().execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
    };
}

insert_into!(insert_into_sqlite, SqliteConnection);
insert_into!(insert_into_postgres, PgConnection);

/// What autovacuum would do in a minute.
async fn analyze(database: &str) {
    if let Some(path) = database.strip_prefix("sqlite://") {
        let mut connection = SqliteConnection::connect(path).await.unwrap();
        sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(database).unwrap()).await.unwrap();
        sqlx::raw_sql("vacuum analyze").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}
