// What the load clients and back ends share: byte buffers, non-blocking sockets with or without TLS, and samples of
// latency. Everything is single-threaded, on 127.0.0.1, and ends the process when memory runs out.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Nanoseconds of the monotonic clock.
uint64_t now_ns(void);
// The same in milliseconds, for reports that are compared with the clock of another process on this machine.
double now_ms(void);
_Noreturn void fail(const char *what);

// Bytes between `begin` and `end` of a block that grows.
typedef struct {
    uint8_t *bytes;
    size_t begin, end, capacity;
} buffer;

void buffer_append(buffer *b, const void *bytes, size_t count);
void buffer_consume(buffer *b, size_t count);
void buffer_release(buffer *b);
static inline size_t buffer_count(const buffer *b) {
    return b->end - b->begin;
}
static inline uint8_t *buffer_start(const buffer *b) {
    return b->bytes + b->begin;
}

// A connection as a stream of bytes. `owner` is what epoll gives back.
typedef struct {
    int epoll, fd;
    SSL *ssl; // NULL: clear text
    bool watches_writes;
    void *owner;
    buffer out; // not yet taken by the kernel
} wire;

int listen_on(int port);
// Accepts one connection and watches it; false when none waits.
bool wire_accept(wire *w, int epoll, int listener, void *owner);
// Begins to connect and watches for the end of that.
bool wire_connect(wire *w, int epoll, int port, void *owner);
// To be called once the socket is writable: whether the connection stands.
bool wire_connected(wire *w);
void wire_start_tls(wire *w, SSL_CTX *context, const char *server_name);
// 1: done, 0: call again at the next event, -1: failed.
int wire_handshake(wire *w);
// Bytes read, 0: none for now, -1: closed or failed.
ssize_t wire_read(wire *w, void *bytes, size_t count);
// After a read of `got` bytes into a room of `count`: whether another read is worth it.
bool wire_has_more(const wire *w, ssize_t got, size_t count);
// Writes what the kernel takes of `out`; false: the connection is dead.
bool wire_flush(wire *w);
void wire_close(wire *w);

// A client context for TLS 1.3 with one cipher and one group, so that every proxy is measured with the same work.
SSL_CTX *tls_client(const char *protocol);

// Latencies in tenths of a microsecond, up to a capacity given beforehand.
typedef struct {
    uint32_t *tenths;
    size_t count, capacity;
} samples;

void samples_reserve(samples *s, size_t capacity);
void samples_add(samples *s, uint64_t nanoseconds);
void samples_sort(samples *s);
// Microseconds at a share of the sorted samples.
double samples_at(const samples *s, double share);

// With a gate the caller measures from outside: we say "ready", wait for a line, work, report, and wait for the end of
// input before anything is closed.
void gate_open(bool enabled);
void gate_close(bool enabled);
