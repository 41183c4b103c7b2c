//! A registry of two hundred patterns: the compiler checks each pair.

use russet_keyspace::{Catalogue, Concern, KeyTtl, Prefix, keyspace};

const APP: Concern = Concern::new("app", "APP_REDIS_URL");

keyspace! {
    /// Forty modules with five patterns each.
    pub(crate) struct Large;

    /// One of many.
    m0_0(id: u64) -> String<u8> { pattern: "cache:module0:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m0_1(id: u64) -> String<u8> { pattern: "cache:module0:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m0_2(name: str, page: u32) -> String<u8> { pattern: "cache:module0:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m0_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module0:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m0_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module0:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m1_0(id: u64) -> String<u8> { pattern: "cache:module1:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m1_1(id: u64) -> String<u8> { pattern: "cache:module1:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m1_2(name: str, page: u32) -> String<u8> { pattern: "cache:module1:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m1_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module1:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m1_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module1:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m2_0(id: u64) -> String<u8> { pattern: "cache:module2:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m2_1(id: u64) -> String<u8> { pattern: "cache:module2:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m2_2(name: str, page: u32) -> String<u8> { pattern: "cache:module2:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m2_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module2:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m2_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module2:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m3_0(id: u64) -> String<u8> { pattern: "cache:module3:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m3_1(id: u64) -> String<u8> { pattern: "cache:module3:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m3_2(name: str, page: u32) -> String<u8> { pattern: "cache:module3:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m3_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module3:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m3_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module3:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m4_0(id: u64) -> String<u8> { pattern: "cache:module4:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m4_1(id: u64) -> String<u8> { pattern: "cache:module4:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m4_2(name: str, page: u32) -> String<u8> { pattern: "cache:module4:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m4_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module4:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m4_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module4:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m5_0(id: u64) -> String<u8> { pattern: "cache:module5:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m5_1(id: u64) -> String<u8> { pattern: "cache:module5:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m5_2(name: str, page: u32) -> String<u8> { pattern: "cache:module5:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m5_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module5:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m5_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module5:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m6_0(id: u64) -> String<u8> { pattern: "cache:module6:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m6_1(id: u64) -> String<u8> { pattern: "cache:module6:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m6_2(name: str, page: u32) -> String<u8> { pattern: "cache:module6:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m6_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module6:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m6_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module6:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m7_0(id: u64) -> String<u8> { pattern: "cache:module7:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m7_1(id: u64) -> String<u8> { pattern: "cache:module7:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m7_2(name: str, page: u32) -> String<u8> { pattern: "cache:module7:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m7_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module7:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m7_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module7:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m8_0(id: u64) -> String<u8> { pattern: "cache:module8:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m8_1(id: u64) -> String<u8> { pattern: "cache:module8:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m8_2(name: str, page: u32) -> String<u8> { pattern: "cache:module8:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m8_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module8:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m8_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module8:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m9_0(id: u64) -> String<u8> { pattern: "cache:module9:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m9_1(id: u64) -> String<u8> { pattern: "cache:module9:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m9_2(name: str, page: u32) -> String<u8> { pattern: "cache:module9:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m9_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module9:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m9_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module9:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m10_0(id: u64) -> String<u8> { pattern: "cache:module10:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m10_1(id: u64) -> String<u8> { pattern: "cache:module10:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m10_2(name: str, page: u32) -> String<u8> { pattern: "cache:module10:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m10_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module10:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m10_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module10:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m11_0(id: u64) -> String<u8> { pattern: "cache:module11:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m11_1(id: u64) -> String<u8> { pattern: "cache:module11:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m11_2(name: str, page: u32) -> String<u8> { pattern: "cache:module11:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m11_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module11:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m11_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module11:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m12_0(id: u64) -> String<u8> { pattern: "cache:module12:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m12_1(id: u64) -> String<u8> { pattern: "cache:module12:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m12_2(name: str, page: u32) -> String<u8> { pattern: "cache:module12:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m12_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module12:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m12_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module12:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m13_0(id: u64) -> String<u8> { pattern: "cache:module13:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m13_1(id: u64) -> String<u8> { pattern: "cache:module13:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m13_2(name: str, page: u32) -> String<u8> { pattern: "cache:module13:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m13_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module13:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m13_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module13:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m14_0(id: u64) -> String<u8> { pattern: "cache:module14:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m14_1(id: u64) -> String<u8> { pattern: "cache:module14:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m14_2(name: str, page: u32) -> String<u8> { pattern: "cache:module14:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m14_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module14:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m14_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module14:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m15_0(id: u64) -> String<u8> { pattern: "cache:module15:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m15_1(id: u64) -> String<u8> { pattern: "cache:module15:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m15_2(name: str, page: u32) -> String<u8> { pattern: "cache:module15:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m15_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module15:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m15_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module15:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m16_0(id: u64) -> String<u8> { pattern: "cache:module16:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m16_1(id: u64) -> String<u8> { pattern: "cache:module16:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m16_2(name: str, page: u32) -> String<u8> { pattern: "cache:module16:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m16_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module16:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m16_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module16:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m17_0(id: u64) -> String<u8> { pattern: "cache:module17:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m17_1(id: u64) -> String<u8> { pattern: "cache:module17:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m17_2(name: str, page: u32) -> String<u8> { pattern: "cache:module17:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m17_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module17:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m17_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module17:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m18_0(id: u64) -> String<u8> { pattern: "cache:module18:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m18_1(id: u64) -> String<u8> { pattern: "cache:module18:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m18_2(name: str, page: u32) -> String<u8> { pattern: "cache:module18:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m18_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module18:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m18_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module18:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m19_0(id: u64) -> String<u8> { pattern: "cache:module19:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m19_1(id: u64) -> String<u8> { pattern: "cache:module19:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m19_2(name: str, page: u32) -> String<u8> { pattern: "cache:module19:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m19_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module19:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m19_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module19:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m20_0(id: u64) -> String<u8> { pattern: "cache:module20:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m20_1(id: u64) -> String<u8> { pattern: "cache:module20:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m20_2(name: str, page: u32) -> String<u8> { pattern: "cache:module20:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m20_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module20:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m20_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module20:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m21_0(id: u64) -> String<u8> { pattern: "cache:module21:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m21_1(id: u64) -> String<u8> { pattern: "cache:module21:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m21_2(name: str, page: u32) -> String<u8> { pattern: "cache:module21:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m21_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module21:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m21_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module21:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m22_0(id: u64) -> String<u8> { pattern: "cache:module22:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m22_1(id: u64) -> String<u8> { pattern: "cache:module22:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m22_2(name: str, page: u32) -> String<u8> { pattern: "cache:module22:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m22_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module22:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m22_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module22:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m23_0(id: u64) -> String<u8> { pattern: "cache:module23:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m23_1(id: u64) -> String<u8> { pattern: "cache:module23:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m23_2(name: str, page: u32) -> String<u8> { pattern: "cache:module23:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m23_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module23:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m23_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module23:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m24_0(id: u64) -> String<u8> { pattern: "cache:module24:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m24_1(id: u64) -> String<u8> { pattern: "cache:module24:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m24_2(name: str, page: u32) -> String<u8> { pattern: "cache:module24:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m24_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module24:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m24_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module24:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m25_0(id: u64) -> String<u8> { pattern: "cache:module25:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m25_1(id: u64) -> String<u8> { pattern: "cache:module25:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m25_2(name: str, page: u32) -> String<u8> { pattern: "cache:module25:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m25_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module25:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m25_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module25:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m26_0(id: u64) -> String<u8> { pattern: "cache:module26:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m26_1(id: u64) -> String<u8> { pattern: "cache:module26:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m26_2(name: str, page: u32) -> String<u8> { pattern: "cache:module26:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m26_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module26:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m26_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module26:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m27_0(id: u64) -> String<u8> { pattern: "cache:module27:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m27_1(id: u64) -> String<u8> { pattern: "cache:module27:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m27_2(name: str, page: u32) -> String<u8> { pattern: "cache:module27:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m27_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module27:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m27_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module27:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m28_0(id: u64) -> String<u8> { pattern: "cache:module28:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m28_1(id: u64) -> String<u8> { pattern: "cache:module28:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m28_2(name: str, page: u32) -> String<u8> { pattern: "cache:module28:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m28_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module28:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m28_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module28:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m29_0(id: u64) -> String<u8> { pattern: "cache:module29:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m29_1(id: u64) -> String<u8> { pattern: "cache:module29:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m29_2(name: str, page: u32) -> String<u8> { pattern: "cache:module29:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m29_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module29:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m29_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module29:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m30_0(id: u64) -> String<u8> { pattern: "cache:module30:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m30_1(id: u64) -> String<u8> { pattern: "cache:module30:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m30_2(name: str, page: u32) -> String<u8> { pattern: "cache:module30:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m30_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module30:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m30_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module30:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m31_0(id: u64) -> String<u8> { pattern: "cache:module31:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m31_1(id: u64) -> String<u8> { pattern: "cache:module31:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m31_2(name: str, page: u32) -> String<u8> { pattern: "cache:module31:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m31_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module31:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m31_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module31:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m32_0(id: u64) -> String<u8> { pattern: "cache:module32:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m32_1(id: u64) -> String<u8> { pattern: "cache:module32:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m32_2(name: str, page: u32) -> String<u8> { pattern: "cache:module32:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m32_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module32:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m32_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module32:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m33_0(id: u64) -> String<u8> { pattern: "cache:module33:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m33_1(id: u64) -> String<u8> { pattern: "cache:module33:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m33_2(name: str, page: u32) -> String<u8> { pattern: "cache:module33:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m33_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module33:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m33_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module33:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m34_0(id: u64) -> String<u8> { pattern: "cache:module34:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m34_1(id: u64) -> String<u8> { pattern: "cache:module34:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m34_2(name: str, page: u32) -> String<u8> { pattern: "cache:module34:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m34_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module34:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m34_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module34:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m35_0(id: u64) -> String<u8> { pattern: "cache:module35:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m35_1(id: u64) -> String<u8> { pattern: "cache:module35:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m35_2(name: str, page: u32) -> String<u8> { pattern: "cache:module35:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m35_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module35:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m35_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module35:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m36_0(id: u64) -> String<u8> { pattern: "cache:module36:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m36_1(id: u64) -> String<u8> { pattern: "cache:module36:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m36_2(name: str, page: u32) -> String<u8> { pattern: "cache:module36:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m36_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module36:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m36_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module36:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m37_0(id: u64) -> String<u8> { pattern: "cache:module37:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m37_1(id: u64) -> String<u8> { pattern: "cache:module37:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m37_2(name: str, page: u32) -> String<u8> { pattern: "cache:module37:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m37_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module37:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m37_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module37:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m38_0(id: u64) -> String<u8> { pattern: "cache:module38:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m38_1(id: u64) -> String<u8> { pattern: "cache:module38:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m38_2(name: str, page: u32) -> String<u8> { pattern: "cache:module38:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m38_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module38:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m38_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module38:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m39_0(id: u64) -> String<u8> { pattern: "cache:module39:{id}:profile", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m39_1(id: u64) -> String<u8> { pattern: "cache:module39:{id}:settings", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m39_2(name: str, page: u32) -> String<u8> { pattern: "cache:module39:list:{name}:{page}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m39_3(id: str, window: u64) -> String<u8> { pattern: "rate_limit:module39:{{id}}:{window}", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
    /// One of many.
    m39_4(all: (u8, u8)) -> String<u8> { pattern: "stream:module39:{all..}:end", concern: APP, owner: "m", ttl: KeyTtl::Persistent }
}

#[test]
fn two_hundred_patterns_compile_and_are_told_apart() {
    let prefix = Prefix::new("shop").unwrap();
    let large = Large::within(&prefix).unwrap();
    let catalogue = Catalogue::new().with(&prefix, Large::KEYS).unwrap();
    assert_eq!(catalogue.all().len(), 200);
    for key in [
        large.m0_0(&7),
        large.m39_2("open", &3),
        large.m17_4(&(1, 2)),
    ] {
        assert!(catalogue.find(key.as_bytes()).is_some(), "{key:?}");
    }
}
