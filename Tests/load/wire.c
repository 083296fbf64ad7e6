// See wire.h.
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double now_ms(void) {
    return (double)now_ns() / 1e6;
}

void fail(const char *what) {
    perror(what);
    exit(1);
}

void buffer_append(buffer *b, const void *bytes, size_t count) {
    if (b->end + count > b->capacity && b->begin > 0) {
        memmove(b->bytes, b->bytes + b->begin, b->end - b->begin);
        b->end -= b->begin;
        b->begin = 0;
    }
    if (b->end + count > b->capacity) {
        b->capacity = (b->end + count) * 2;
        b->bytes = realloc(b->bytes, b->capacity);
        if (!b->bytes) fail("memory");
    }
    memcpy(b->bytes + b->end, bytes, count);
    b->end += count;
}

void buffer_consume(buffer *b, size_t count) {
    b->begin += count;
    if (b->begin == b->end) b->begin = b->end = 0;
}

void buffer_release(buffer *b) {
    free(b->bytes);
    memset(b, 0, sizeof *b);
}

// 127.0.0.1, or with a `last` of more than 1 one of its neighbours.
static struct sockaddr_in loopback(int port, uint32_t last) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(0x7f000000 | last)};
}

static void watch(wire *w, int operation, bool writes) {
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = w->owner};
    epoll_ctl(w->epoll, operation, w->fd, &event);
    w->watches_writes = writes;
}

static void watch_writes(wire *w, bool writes) {
    if (w->watches_writes != writes) watch(w, EPOLL_CTL_MOD, writes);
}

static void send_at_once(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = loopback(port, 1);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 4096)) fail("listen");
    return fd;
}

bool wire_accept(wire *w, int epoll, int listener, void *owner) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return false;
    *w = (wire){.epoll = epoll, .fd = fd, .owner = owner};
    send_at_once(fd);
    watch(w, EPOLL_CTL_ADD, false);
    return true;
}

bool wire_connect(wire *w, int epoll, int port, void *owner) {
    // From 127.0.0.2 to 127.0.0.9 in turn: thousands of connections that have just ended still hold their ports.
    static uint32_t turn;
    struct sockaddr_in address = loopback(port, 1), source = loopback(0, 2 + turn++ % 8);
    int one = 1;
    *w = (wire){.epoll = epoll, .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .owner = owner};
    if (w->fd < 0) fail("socket");
    setsockopt(w->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(w->fd, (void *)&source, sizeof source)) fail("bind");
    send_at_once(w->fd);
    watch(w, EPOLL_CTL_ADD, true);
    return connect(w->fd, (void *)&address, sizeof address) == 0 || errno == EINPROGRESS;
}

bool wire_connected(wire *w) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    watch_writes(w, false);
    return error == 0;
}

void wire_start_tls(wire *w, SSL_CTX *context, const char *server_name) {
    w->ssl = SSL_new(context);
    SSL_set_fd(w->ssl, w->fd);
    SSL_set_tlsext_host_name(w->ssl, server_name);
    SSL_set_connect_state(w->ssl);
}

int wire_handshake(wire *w) {
    ERR_clear_error();
    int done = SSL_do_handshake(w->ssl);
    if (done == 1) return 1;
    int error = SSL_get_error(w->ssl, done);
    if (error == SSL_ERROR_WANT_WRITE) watch_writes(w, true);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t wire_read(wire *w, void *bytes, size_t count) {
    if (w->ssl) {
        ERR_clear_error();
        int got = SSL_read(w->ssl, bytes, (int)count);
        if (got > 0) return got;
        return SSL_get_error(w->ssl, got) == SSL_ERROR_WANT_READ ? 0 : -1;
    }
    ssize_t got = read(w->fd, bytes, count);
    if (got > 0) return got;
    return got < 0 && errno == EAGAIN ? 0 : -1;
}

bool wire_has_more(const wire *w, ssize_t got, size_t count) {
    return w->ssl ? SSL_has_pending(w->ssl) == 1 : (size_t)got == count;
}

bool wire_flush(wire *w) {
    while (buffer_count(&w->out) > 0) {
        ssize_t taken;
        bool full;
        if (w->ssl) {
            ERR_clear_error();
            taken = SSL_write(w->ssl, buffer_start(&w->out), (int)buffer_count(&w->out));
            int error = taken > 0 ? SSL_ERROR_NONE : SSL_get_error(w->ssl, (int)taken);
            full = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ;
        } else {
            taken = write(w->fd, buffer_start(&w->out), buffer_count(&w->out));
            full = taken < 0 && errno == EAGAIN;
        }
        if (full) {
            watch_writes(w, true);
            return true;
        }
        if (taken <= 0) return false;
        buffer_consume(&w->out, (size_t)taken);
    }
    watch_writes(w, false);
    return true;
}

void wire_close(wire *w) {
    if (w->ssl) {
        if (SSL_is_init_finished(w->ssl)) SSL_shutdown(w->ssl);
        SSL_free(w->ssl);
        w->ssl = NULL;
    }
    close(w->fd);
    buffer_release(&w->out);
}

SSL_CTX *tls_client(const char *protocol) {
    uint8_t offer[32];
    size_t length = strlen(protocol);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    offer[0] = (uint8_t)length;
    memcpy(offer + 1, protocol, length);
    SSL_CTX_set_alpn_protos(context, offer, (unsigned)length + 1);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set1_groups_list(context, "X25519");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return context;
}

void samples_reserve(samples *s, size_t capacity) {
    s->tenths = malloc(capacity * sizeof *s->tenths + 1);
    if (!s->tenths) fail("memory");
    s->capacity = capacity;
    s->count = 0;
}

void samples_add(samples *s, uint64_t nanoseconds) {
    if (s->count < s->capacity) s->tenths[s->count++] = (uint32_t)(nanoseconds / 100);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void samples_sort(samples *s) {
    qsort(s->tenths, s->count, sizeof *s->tenths, ascending);
}

double samples_at(const samples *s, double share) {
    if (s->count == 0) return 0;
    size_t index = (size_t)((double)s->count * share);
    return s->tenths[index < s->count ? index : s->count - 1] / 10.0;
}

void gate_open(bool enabled) {
    if (!enabled) return;
    puts("ready");
    fflush(stdout);
    for (int c; (c = getchar()) != '\n' && c != EOF;) {
    }
}

void gate_close(bool enabled) {
    fflush(stdout);
    if (!enabled) return;
    while (getchar() != EOF) {
    }
}
