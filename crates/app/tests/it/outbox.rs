//! Letters on their way to a mail server that does as it is told.

use crate::bed::{Bed, ORIGIN};
use app::identity::letters::{FactorChange, Facts, Letter, LetterKind};
use app::identity::outbox::{self, LONGEST_WAIT, MAX_TRIES};
use app::identity::settings::MailServer;
use domain::id::UserId;
use domain::identity::Email;
use domain::time::Time;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// What the server answers to recipients, one after the other; then it takes all. And what it was handed.
#[derive(Clone, Default)]
struct Post {
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Post {
    async fn open() -> (Self, String) {
        let post = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = post.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        (post, url)
    }

    async fn serve(self, stream: tokio::net::TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let (mut answer, mut letter) = ("220 ready", None::<String>);
        loop {
            if writer
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .is_err()
            {
                return;
            }
            answer = loop {
                let Ok(Some(line)) = lines.next_line().await else {
                    return;
                };
                match (&mut letter, line.as_str()) {
                    (Some(_), ".") => {
                        self.taken.lock().unwrap().extend(letter.take());
                        break "250 taken";
                    }
                    (Some(letter), line) => {
                        letter.push_str(line);
                        letter.push('\n');
                    }
                    (None, "DATA") => {
                        letter = Some(String::new());
                        break "354 go on";
                    }
                    (None, line) if line.starts_with("RCPT") => {
                        break self.answers.lock().unwrap().pop_front().unwrap_or("250 fine");
                    }
                    (None, _) => break "250 fine",
                }
            };
        }
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    fn answer(&self, answers: &[&'static str]) {
        self.answers.lock().unwrap().extend(answers);
    }
}

async fn bed(url: Option<String>) -> Bed {
    Bed::with(|settings| {
        settings.public_url = Some(ORIGIN.to_owned());
        settings.identity.mail = url.map(|url| MailServer {
            url: url.into(),
            from: "Studio <studio@example.org>".to_owned(),
            authorities: None,
        });
    })
    .await
}

fn notice(user: Option<UserId>, at: Time) -> Letter {
    Letter {
        user,
        to: Email::parse("ana@example.org").unwrap(),
        locale: "en".to_owned(),
        kind: LetterKind::FactorChanged,
        link: None,
        good_until: None,
        facts: Facts {
            at: Some(at),
            what: Some(FactorChange::TotpAdded),
            ..Facts::default()
        },
    }
}

async fn put(bed: &Bed, letter: &Letter) {
    let envelope = bed.studio.seal_letter(letter).unwrap();
    let put = bed.db.write("test.put", move |tx| {
        let envelope = envelope.clone();
        Box::pin(async move { outbox::put(tx, &envelope).await })
    });
    let put: Result<(), store::Error> = put.await;
    put.unwrap();
}

async fn waiting(bed: &Bed) -> (i64, i64) {
    let counts = bed.studio.mail_counts().await.unwrap();
    (counts.waiting, counts.given_up)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_sealed_sent_once_and_forgotten() {
    let (post, url) = Post::open().await;
    let bed = bed(Some(url)).await;
    let user = bed.person(None).await;
    put(&bed, &notice(Some(user), bed.now())).await;
    put(&bed, &notice(None, bed.now())).await;
    let plain = "select count(*) as n from mails where instr(cast(letter_sealed as text), 'ana@') > 0";
    assert_eq!(bed.number(plain).await, 0);
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 2);
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 0);
    let taken = post.taken();
    assert_eq!(taken.len(), 2);
    assert!(
        taken[0].contains("To: ana@example.org") && taken[0].contains("app codes were turned on"),
        "{}",
        taken[0]
    );
    assert!(taken[0].contains(&format!("{ORIGIN}/me/security")));
    assert_eq!(waiting(&bed).await, (0, 0));
    assert_eq!(
        bed.number("select sum(length(letter_sealed)) as n from mails")
            .await,
        0
    );
    assert!(
        bed.studio
            .metrics()
            .text()
            .contains("studio_mails_total{state=\"sent\"} 2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_is_kept_and_a_refusal_is_final() {
    let (post, url) = Post::open().await;
    let bed = bed(Some(url)).await;
    put(&bed, &notice(None, bed.now())).await;
    post.answer(&["450 come again"]);
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 1);
    assert_eq!((waiting(&bed).await, post.taken().len()), ((1, 0), 0));
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 0, "not yet");
    bed.wait(30);
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 1);
    assert_eq!((waiting(&bed).await, post.taken().len()), ((0, 0), 1));
    put(&bed, &notice(None, bed.now())).await;
    post.answer(&["550 no such user"]);
    bed.studio.deliver_due().await.unwrap();
    assert_eq!(waiting(&bed).await, (0, 1));
    let kept =
        "select count(*) as n from mails where problem = 'recipient 550' and length(letter_sealed) = 0";
    assert_eq!(bed.number(kept).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_given_up_after_its_last_try() {
    let (post, url) = Post::open().await;
    let bed = bed(Some(url)).await;
    put(&bed, &notice(None, bed.now())).await;
    let sql = format!("update mails set tries = {}", MAX_TRIES - 1);
    let aged = bed.db.write("test.age", move |tx| {
        let sql = sql.clone();
        Box::pin(async move { tx.execute(&sql, &[]).await })
    });
    let aged: Result<u64, store::Error> = aged.await;
    aged.unwrap();
    post.answer(&["450 come again"]);
    bed.studio.deliver_due().await.unwrap();
    assert_eq!(waiting(&bed).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_before_it_noted_sends_again_under_the_same_id() {
    let (post, url) = Post::open().await;
    let bed = bed(Some(url)).await;
    put(&bed, &notice(None, bed.now())).await;
    // It takes the letter over, and the note of it fails: the process may as well have ended there.
    let sql = "create trigger gone before update of sent_at on mails begin select raise(abort, 'gone'); end";
    let made = bed.db.write("test.gone", move |tx| {
        Box::pin(async move { tx.execute(sql, &[]).await })
    });
    let made: Result<u64, store::Error> = made.await;
    made.unwrap();
    assert!(bed.studio.deliver_due().await.is_err());
    let healed = bed.db.write("test.heal", |tx| {
        Box::pin(async move { tx.execute("drop trigger gone", &[]).await })
    });
    let healed: Result<u64, store::Error> = healed.await;
    healed.unwrap();
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 0, "somebody has it");
    bed.wait(600);
    assert_eq!(bed.another().deliver_due().await.unwrap(), 1);
    let taken = post.taken();
    let id = |letter: &str| {
        letter
            .lines()
            .find(|line| line.starts_with("Message-ID"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(taken.len(), 2, "at least once");
    assert_eq!(id(&taken[0]), id(&taken[1]));
    assert_eq!(waiting(&bed).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_letters_wait_until_they_are_no_news() {
    let bed = bed(None).await;
    put(&bed, &notice(None, bed.now())).await;
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 0);
    assert_eq!(waiting(&bed).await, (1, 0));
    assert!(bed.studio.metrics().text().contains("studio_mails_waiting 1"));
    bed.wait(i64::try_from(LONGEST_WAIT.as_secs()).unwrap());
    bed.studio.keep_house().await.unwrap();
    assert_eq!(waiting(&bed).await, (1, 0));
    bed.wait(3600);
    bed.studio.keep_house().await.unwrap();
    assert_eq!(waiting(&bed).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_over_and_a_person_who_is_gone_get_no_letter() {
    let (post, url) = Post::open().await;
    let bed = bed(Some(url)).await;
    let user = bed.person(None).await;
    put(&bed, &notice(Some(user), bed.now())).await;
    let over = Letter {
        kind: LetterKind::ResetPassword,
        link: Some("https://studio.example.org/reset#token=abc".to_owned()),
        good_until: Some(bed.now().after(Duration::from_secs(60))),
        ..notice(None, bed.now())
    };
    put(&bed, &over).await;
    bed.keys.destroy(&user.to_string()).unwrap();
    bed.wait(60);
    assert_eq!(bed.studio.deliver_due().await.unwrap(), 2);
    assert_eq!((post.taken().len(), waiting(&bed).await), (0, (0, 2)));
    let why = "select count(distinct problem) as n from mails where problem in ('expired', 'unreadable')";
    assert_eq!(bed.number(why).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_is_in_no_letter_and_a_bad_server_is_refused_at_the_start() {
    let bed = bed(None).await;
    let envelope = bed.studio.seal_letter(&notice(None, bed.now())).unwrap();
    let failed: Result<(), store::Error> = bed
        .db
        .write("test.fail", move |tx| {
            let envelope = envelope.clone();
            Box::pin(async move {
                outbox::put(tx, &envelope).await?;
                Err(store::Error::Fenced)
            })
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(waiting(&bed).await, (0, 0));
    let settings = app::identity::Settings {
        mail: Some(MailServer {
            url: "smtp://mail.example.org".to_owned().into(),
            from: "studio@example.org".to_owned(),
            authorities: Some("/nonexistent".into()),
        }),
        ..app::identity::Settings::default()
    };
    assert!(outbox::mailer_of(&settings).is_err());
}
