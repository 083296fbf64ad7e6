// A fast h2c back end that looks like gRPC: one thread, epoll, libnghttp2.
//
//   /any.Service/Unary   answers 21 bytes (a gRPC message of 16) and grpc-status 0 when the request has ended
//   /any.Service/B<n>    the same with <n> bytes, 5 at least
//   A request must be one whole gRPC message, else its grpc-status is 13.
//   /any.Service/Stream  echoes every byte at once, trailers when the request has ended
//
// The response header x-backend carries NAME, so that a client sees which back end answered.
// usage: grpc-backend PORT [NAME]
#include "wire.h"

#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    MESSAGE_PREFIX = 5,
    UNARY_BYTES = 21,
    STREAM_WINDOW = 1 << 20,
    CONNECTION_WINDOW = 16 << 20,
    OUTPUT_LIMIT = 512 * 1024, // stop serialising frames while this much waits for the kernel
};

typedef struct {
    wire wire;
    nghttp2_session *session;
} connection;

typedef struct {
    size_t size, sent;
    size_t received, announced; // of the request: bytes, and what its message's prefix says
    bool echoes, answered, ended;
    buffer echo;
} stream;

static const char *backend_name = "b1";
static uint8_t filler[1 << 16];

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value),                                            \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                               \
    }

static ssize_t finish(nghttp2_session *session, int32_t id, uint32_t *flags, ssize_t count, const stream *s) {
    bool whole = s->echoes || s->received == MESSAGE_PREFIX + s->announced;
    nghttp2_nv trailers[] = {FIELD("grpc-status", whole ? "0" : "13")};
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, id, trailers, 1);
    return count;
}

static ssize_t read_echo(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags, stream *s) {
    size_t count = buffer_count(&s->echo) < room ? buffer_count(&s->echo) : room;
    if (count == 0 && !s->ended) return NGHTTP2_ERR_DEFERRED;
    if (count > 0) memcpy(out, buffer_start(&s->echo), count);
    buffer_consume(&s->echo, count);
    if (buffer_count(&s->echo) > 0 || !s->ended) return (ssize_t)count;
    return finish(session, id, flags, (ssize_t)count, s);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
    stream *s = source->ptr;
    if (s->echoes) return read_echo(session, id, out, room, flags, s);
    size_t count = s->size - s->sent;
    if (count > room) count = room;
    if (count > sizeof filler) count = sizeof filler;
    memcpy(out, filler, count);
    if (s->sent == 0 && count >= MESSAGE_PREFIX) {
        uint32_t length = (uint32_t)(s->size - MESSAGE_PREFIX);
        uint8_t prefix[MESSAGE_PREFIX] = {0, length >> 24, length >> 16, length >> 8, length};
        memcpy(out, prefix, sizeof prefix);
    }
    s->sent += count;
    return s->sent < s->size ? (ssize_t)count : finish(session, id, flags, (ssize_t)count, s);
}

static void answer(nghttp2_session *session, int32_t id, stream *s) {
    nghttp2_nv fields[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
                           FIELD("x-backend", backend_name)};
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    s->answered = true;
    nghttp2_submit_response(session, id, fields, 3, &body);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    stream *s = calloc(1, sizeof *s);
    if (!s) fail("memory");
    s->size = UNARY_BYTES;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    if (name_length != 5 || memcmp(name, ":path", 5)) return 0;
    stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    const char *method = memrchr(value, '/', value_length);
    if (!s || !method) return 0;
    method += 1; // nghttp2 ends every value with a zero byte
    if (!strncmp(method, "Stream", 6)) s->echoes = true;
    if (method[0] == 'B' && strtoul(method + 1, NULL, 10) >= MESSAGE_PREFIX) s->size = strtoul(method + 1, NULL, 10);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
    int32_t id = frame->hd.stream_id;
    stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!s) return 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) s->ended = true;
    if (!s->answered && (s->echoes || s->ended))
        answer(session, id, s);
    else if (s->echoes && s->ended)
        nghttp2_session_resume_data(session, id);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count,
                    void *user) {
    stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!s) return 0;
    // The prefix: a byte that says whether the message is compressed, and its length (big endian).
    for (size_t at = s->received; at < s->received + count && at < MESSAGE_PREFIX; at++)
        s->announced = at == 0 ? 0 : s->announced << 8 | bytes[at - s->received];
    s->received += count;
    if (!s->echoes) return 0;
    buffer_append(&s->echo, bytes, count);
    if (s->answered) nghttp2_session_resume_data(session, id);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!s) return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    buffer_release(&s->echo);
    free(s);
    return 0;
}

static bool flush(connection *c) {
    do {
        const uint8_t *bytes;
        ssize_t count = 0;
        while (buffer_count(&c->wire.out) < OUTPUT_LIMIT && (count = nghttp2_session_mem_send(c->session, &bytes)) > 0)
            buffer_append(&c->wire.out, bytes, (size_t)count);
        if (count < 0 || !wire_flush(&c->wire)) return false;
        if (count == 0) break;
    } while (buffer_count(&c->wire.out) == 0);
    return nghttp2_session_want_read(c->session) || nghttp2_session_want_write(c->session) ||
           buffer_count(&c->wire.out) > 0;
}

static void end(connection *c) {
    nghttp2_session_del(c->session);
    wire_close(&c->wire);
    free(c);
}

static void accept_all(int epoll, int listener, const nghttp2_session_callbacks *callbacks) {
    for (;;) {
        connection *c = calloc(1, sizeof *c);
        if (!c) fail("memory");
        if (!wire_accept(&c->wire, epoll, listener, c)) {
            free(c);
            return;
        }
        nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1024},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
        nghttp2_session_server_new(&c->session, callbacks, c);
        nghttp2_submit_settings(c->session, 0, settings, 2);
        nghttp2_session_set_local_window_size(c->session, 0, 0, CONNECTION_WINDOW);
        if (!flush(c)) end(c);
    }
}

static void handle(connection *c, uint32_t events) {
    static uint8_t input[256 * 1024];
    bool alive = true;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t got = wire_read(&c->wire, input, sizeof input);
        alive = got >= 0 && (got == 0 || nghttp2_session_mem_recv(c->session, input, (size_t)got) >= 0);
    }
    if (!alive || !flush(c)) end(c);
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: grpc-backend PORT [NAME]\n");
        return 2;
    }
    if (count > 2) backend_name = arguments[2];
    signal(SIGPIPE, SIG_IGN);
    memset(filler, 'x', sizeof filler);

    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);

    int listener = listen_on(atoi(arguments[1])), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                handle(events[i].data.ptr, events[i].events);
            else
                accept_all(epoll, listener, callbacks);
        }
    }
}
