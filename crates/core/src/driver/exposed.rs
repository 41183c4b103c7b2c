//! Commands whose reply fred may take for a pub/sub message, and how they are sent instead.
//!
//! fred 10.1.0 takes an array of three to five elements whose first one reads `message`, `subscribe` and the like for
//! pub/sub, also on a RESP3 connection that never subscribed. It swallows the reply, and every later caller gets
//! somebody else's. Nested arrays it does not look into: so what answers a plain array of text is run by a one-line
//! script that puts the answer into another array.

use bytes::Bytes;

/// The script that runs its arguments as a command; the reply is the only element of the array that comes back.
///
/// Scores are numbers to RESP3 only; a missing value ends a list to Lua's RESP3, and is kept by its RESP2.
pub(super) fn wrap(name: &str) -> &'static str {
    if name.starts_with('Z') {
        "redis.setresp(3) return {redis.call(unpack(ARGV))}"
    } else {
        "return {redis.call(unpack(ARGV))}"
    }
}

/// Whether a command may answer a plain array whose first element is text that users choose.
///
/// Sets and maps are other types to RESP3, and nested arrays are safe; a command that is missing here and new to Redis
/// belongs here if it answers a list of stored text.
pub(crate) fn is_exposed(name: &str, args: &[Bytes]) -> bool {
    match name {
        "ACL USERS"
        // Sets of maps to RESP3, which fred cannot read.
        | "COMMAND"
        | "COMMAND INFO"
        | "GEORADIUS"
        | "GEORADIUSBYMEMBER"
        | "GEOSEARCH"
        | "HGETDEL"
        | "HGETEX"
        | "HKEYS"
        | "HMGET"
        | "HVALS"
        | "KEYS"
        | "LRANGE"
        | "PUBSUB CHANNELS"
        | "PUBSUB SHARDCHANNELS"
        | "SORT"
        | "SORT_RO"
        | "ZDIFF"
        | "ZINTER"
        | "ZRANGE"
        | "ZRANGEBYLEX"
        | "ZRANGEBYSCORE"
        | "ZREVRANGE"
        | "ZREVRANGEBYLEX"
        | "ZREVRANGEBYSCORE"
        | "ZUNION" => true,
        // One element without a count, a list with one.
        "HRANDFIELD" | "LPOP" | "RPOP" | "SRANDMEMBER" | "ZRANDMEMBER" => args.len() > 1,
        _ => false,
    }
}
