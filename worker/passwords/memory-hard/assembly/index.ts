// The functions that are hard by the memory they take, one derivation at a time, resumable at every step.
//
// AssemblyScript, compiled to ../memory-hard.wasm by scripts/build-wasm.ts: no imports, no allocator. The first page
// holds what the compiler puts there; from WORK on, the caller has grown the memory to what a derivation needs.
export * from "./argon2";
export * from "./scrypt";
export * from "./work";
