//! A command with arguments that a server takes for a call of it.

/// How many words a command has and where its first key stands, as `COMMAND INFO` says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// With the command's own words; negative where that is the least.
    pub(super) arity: i64,
    /// 0 where there is none, or where it depends on other words.
    pub(super) first_key: i64,
}

/// The words of a call with one key (or one channel).
pub(super) fn call(command: &str, shape: Shape, key: &str) -> Vec<String> {
    let mut words: Vec<&str> = command.split(' ').collect();
    match command {
        "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" => {
            words.extend(["x", "1", key]);
        }
        "XREAD" => words.extend(["STREAMS", key, "0"]),
        "XREADGROUP" => words.extend(["GROUP", "x", "x", "STREAMS", key, ">"]),
        "ZUNION" | "ZINTER" | "ZDIFF" | "SINTERCARD" | "ZINTERCARD" => words.extend(["1", key]),
        "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => words.extend([key, "1", key]),
        "LMPOP" => words.extend(["1", key, "LEFT"]),
        "ZMPOP" => words.extend(["1", key, "MIN"]),
        "BLMPOP" => words.extend(["0", "1", key, "LEFT"]),
        "BZMPOP" => words.extend(["0", "1", key, "MIN"]),
        _ => {
            let first_key = usize::try_from(shape.first_key).unwrap_or(0);
            let is_of_channel = command.contains("SUBSCRIBE") || command.ends_with("PUBLISH");
            let key_at = if is_of_channel { 1 } else { first_key };
            // Commands over two keys have the second one behind the first.
            let is_of_two = matches!(
                command,
                "RENAME" | "RENAMENX" | "COPY" | "SMOVE" | "RPOPLPUSH" | "LMOVE" | "BLMOVE"
            );
            let is_key = |at| at == key_at || is_of_two && at == key_at + 1;
            let least = usize::try_from(shape.arity.unsigned_abs()).unwrap_or(0);
            while words.len() < least.max(key_at + 1) {
                words.push(if is_key(words.len()) { key } else { "1" });
            }
        }
    }
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(command: &str, arity: i64, first_key: i64) -> String {
        call(command, Shape { arity, first_key }, "k").join(" ")
    }

    #[test]
    fn words_as_the_server_counts_them() {
        assert_eq!(said("GET", 2, 1), "GET k");
        assert_eq!(said("SET", -3, 1), "SET k 1");
        assert_eq!(said("PING", -1, 0), "PING");
        assert_eq!(said("XGROUP CREATE", -5, 2), "XGROUP CREATE k 1 1");
        assert_eq!(said("MEMORY USAGE", -3, 2), "MEMORY USAGE k");
        assert_eq!(said("PUBLISH", 3, 0), "PUBLISH k 1");
        assert_eq!(said("SUBSCRIBE", -2, 0), "SUBSCRIBE k");
        assert_eq!(said("UNSUBSCRIBE", -1, 0), "UNSUBSCRIBE k");
        assert_eq!(said("BITOP", -4, 2), "BITOP 1 k 1");
        assert_eq!(said("RENAME", 3, 1), "RENAME k k");
        assert_eq!(said("LMOVE", 5, 1), "LMOVE k k 1 1");
        assert_eq!(said("EVALSHA", -3, 0), "EVALSHA x 1 k");
    }
}
