// Used by DataPlane: TLS without system calls of OpenSSL's own, and the few kernel interfaces that Swift cannot import.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/// The bytes that the BIO reads from and writes to. A loop owns one, points it at its own buffers before each SSL call
/// and takes `output` afterwards: no copy through a memory BIO, no system call inside OpenSSL.
typedef struct {
    const unsigned char *input;
    size_t input_length;
    unsigned char *output;
    size_t output_length, output_capacity;
    /// All connections of the loop share it: it keeps nothing of theirs between two calls.
    BIO *bio;
} causeway_bytes;

/// Lets `ssl` read from and write to `bytes`. 1 on success; 0: out of memory.
int causeway_attach(SSL *ssl, causeway_bytes *bytes);
/// Gives back what a server's connection kept for its handshake alone: its certificates and the ephemeral keys of both sides.
void causeway_handshake_over(SSL *ssl);

/// A context for one side with TLS 1.2 as minimum, no renegotiation, no compression, buffers released when idle.
SSL_CTX *causeway_context_new(int server);
/// Session tickets are sealed with the first of these keys and opened with any. A key has a name of 16 bytes, then 32 for
/// HMAC-SHA-256, then 32 for AES-256-CBC (RFC 5077 §4).
enum { causeway_ticket_key_bytes = 80, causeway_ticket_keys = 3 };
/// Gives a context its ticket keys, `count` of them in one run; may be called again. Only the thread that runs handshakes of
/// the context may do so. Tickets of one loop must open on every other: all contexts get the same keys. 1 on success.
int causeway_context_tickets(SSL_CTX *context, const unsigned char *keys, int count);
/// SNI towards an upstream and, where `verify`, the name that its certificate must carry. 1 on success.
int causeway_set_server_name(SSL *ssl, const char *name, int verify);
/// The bytes of the SNI extension in a client hello, or NULL. Valid within the callback.
const unsigned char *causeway_hello_server_name(SSL *ssl, size_t *length);
/// Asks for a client certificate that `store` vouches for, announcing the names of `authorities`. 1 on success.
int causeway_ask_client(SSL *ssl, int required, X509_STORE *store, X509 *const *authorities, size_t count, int depth);
/// Bounds the versions of a handshake that begins, and where `ciphers` is not NULL its cipher suites of TLS 1.2. 1 on success.
int causeway_limit_tls(SSL *ssl, int lowest, int highest, const char *ciphers);
/// Verifies an upstream's certificate with `store` instead of the context's. 1 on success.
int causeway_trust(SSL *ssl, X509_STORE *store);

/// The protocol that ALPN chose; length 0 when none did.
unsigned causeway_alpn(const SSL *ssl, const unsigned char **name);

int causeway_accept(int listener, struct sockaddr_storage *peer, socklen_t *length);

/// `epoll_event` is packed on x86-64: accessors keep Swift away from it.
int causeway_epoll_add(int epoll, int fd, uint32_t events, void *pointer);
static inline void *causeway_event_pointer(const struct epoll_event *events, int i) { return events[i].data.ptr; }
static inline uint32_t causeway_event_bits(const struct epoll_event *events, int i) { return events[i].events; }

/// Verifies an upstream certificate against an IP address. 1 on success.
int causeway_verify_address(SSL *ssl, const char *address);

/// An eventfd in non-blocking mode: what wakes a loop or a thread. Negative on failure.
int causeway_eventfd(void);
/// memmem(3), which needs _GNU_SOURCE.
int causeway_contains(const void *bytes, size_t count, const char *text);

/// Gives memory that malloc has free back to the kernel.
void causeway_give_back_memory(void);
/// Lets malloc keep a few MiB of each thread until the line above is called.
void causeway_keep_memory(void);

/// No core dumps, no ptrace by others: keys are in memory. 0 on success.
int causeway_harden(void);

/// Shows this certificate with its chain and key. 1 on success.
int causeway_use_identity(SSL *ssl, X509 *leaf, EVP_PKEY *key, X509 *const *chain, size_t chain_length);

/// Names the calling thread, as `ps -L` shows it (15 bytes at most).
void causeway_name_thread(const char *name);
