#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    blue_fuzz_laws::audit_event(data);
});
