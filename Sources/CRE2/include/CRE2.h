// RE2 for Swift: a C face of the few calls that route matching needs. A compiled pattern is immutable and may be used by
// any number of threads at once (RE2's own promise). No function throws; lengths are in bytes; text needs no terminator.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CausewayRE2 CausewayRE2;

// Compiles a pattern. On failure returns NULL and writes RE2's message, cut to the capacity and terminated, to `error`.
// `memory` bounds program and automaton cache in bytes; `program` bounds the instructions of the compiled program.
CausewayRE2 *causeway_re2_compile(
    const char *pattern, size_t length, bool case_sensitive, int64_t memory, int program, char *error, size_t capacity);

void causeway_re2_free(CausewayRE2 *pattern);

// Whether the text matches from its first byte: up to any byte, or (`whole`) up to its last.
bool causeway_re2_match(const CausewayRE2 *pattern, const char *text, size_t length, bool whole);

// Number of capturing groups.
int causeway_re2_groups(const CausewayRE2 *pattern);

// Matches from the first byte and reports groups 0...count-1 as offset and length; offset -1: the group took no part.
bool causeway_re2_capture(
    const CausewayRE2 *pattern, const char *text, size_t length, ptrdiff_t *offsets, size_t *lengths, int count);

// Bytes that every text which matches from its first byte must begin with. Writes at most `capacity`, returns the count.
size_t causeway_re2_literal_prefix(const CausewayRE2 *pattern, char *prefix, size_t capacity);

#ifdef __cplusplus
}
#endif
