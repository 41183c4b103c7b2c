//! A table of limits that changes while it is in use.

use russet_ratelimit::{Limits, Policy, Source};

use crate::{HOUR, MINUTE, namespace, patient, until};

#[tokio::test]
async fn a_table_changes_at_run_time_without_losing_counts() {
    let ns = namespace().await;
    let limits: Limits = toml::from_str(
        "[[default]]\nkind = 'fixed_window'\nlimit = 3\nwindow = '1h'\n\
         [['POST /login']]\nkind = 'sliding_window'\nlimit = 2\nwindow = '1h'\n",
    )
    .unwrap();
    let again: Limits = toml::from_str(&toml::to_string(&limits).unwrap()).unwrap();
    assert_eq!(again, limits);
    let api = patient(&ns, "api").limits(limits).build().unwrap();
    let login = api.operation("POST /login");
    assert_eq!(login.up_to("u", 9).await.unwrap().charged(), 2);
    assert_eq!(
        api.operation("GET /")
            .up_to("u", 9)
            .await
            .unwrap()
            .charged(),
        3
    );
    assert_eq!(
        api.operation("GET /other")
            .up_to("u", 9)
            .await
            .unwrap()
            .charged(),
        3
    );

    let raised = Limits::new().with("POST /login", Policy::sliding_window(5, HOUR));
    api.set_limits(&raised).unwrap();
    let login = api.operation("POST /login");
    assert_eq!(
        login.check("u").await.unwrap().current(),
        3,
        "what was counted stays"
    );
    // Also by windows of another length, which are counted in other sub-windows.
    for (window, count) in [(2 * HOUR, 4), (30 * MINUTE, 5)] {
        let other = Limits::new().with(
            "POST /login",
            Policy::sliding_window(5, window).resolution(7),
        );
        api.set_limits(&other).unwrap();
        assert_eq!(
            api.operation("POST /login")
                .check("u")
                .await
                .unwrap()
                .current(),
            count
        );
    }
    let wrong = Limits::new().with("POST /login", Policy::sliding_window(0, HOUR));
    assert!(
        api.set_limits(&wrong)
            .unwrap_err()
            .to_string()
            .contains("POST /login")
    );
    assert!(
        !api.operation("POST /login")
            .check("u")
            .await
            .unwrap()
            .is_allowed()
    );
}

#[tokio::test]
async fn what_did_not_change_keeps_what_was_fetched_ahead() {
    let ns = namespace().await;
    let limits = Limits::new()
        .with("GET /", Policy::token_bucket(1_000_000, HOUR))
        .with("PUT /", Policy::fixed_window(1, HOUR));
    let api = patient(&ns, "api")
        .limits(limits.clone())
        .leases(1_000)
        .build()
        .unwrap();
    let check = async || api.operation("GET /").check("u").await.unwrap().source();
    until("something is fetched ahead", async || {
        check().await == Source::Local
    })
    .await;
    // Of the other operation, and of this one.
    let other = limits
        .clone()
        .with("DELETE /", Policy::fixed_window(1, HOUR));
    api.set_limits(&other).unwrap();
    assert_eq!(check().await, Source::Local);
    let fewer = Limits::new().with("GET /", Policy::token_bucket(500_000, HOUR));
    api.set_limits(&fewer).unwrap();
    assert_eq!(check().await, Source::Redis);
}

#[test]
fn a_table_says_what_is_wrong_with_it() {
    for (text, told) in [
        (
            "[[a]]\nkind = 'sliding_window'\nlimit = 5",
            "needs \"window\"",
        ),
        (
            "[[a]]\nkind = 'sliding_window'\nlimit = 5\nwindow = '0s'",
            "1 ms",
        ),
        ("[[a]]\nkind = 'slidingwindow'", "no kind of policy"),
        (
            "[[a]]\nkind = 'cooldown'\nlasts = '1s'\nlimit = 5",
            "has no \"limit\"",
        ),
        (
            "[[a]]\nkind = 'cooldown'\nlasts = '1s'\nburst = 5",
            "has no \"burst\"",
        ),
        ("[[a]]\nkind = 'cooldown'\nlast = '1s'", "unknown field"),
        (
            "[[a]]\nkind = 'calendar'\nlimit = 5\nperiod = 'year'",
            "year",
        ),
    ] {
        let error = toml::from_str::<Limits>(text).unwrap_err().to_string();
        assert!(error.contains(told), "{error}, wanted {told}");
    }
}
