// A gRPC client that makes load: one thread, epoll, libnghttp2, clear text or TLS 1.3. It checks every response
// (:status 200, grpc-status 0, so many bytes) and treats GOAWAY as gRPC clients do: what runs may finish, new calls take a new
// connection. The last line of output is JSON; times ending in _at_ms are of CLOCK_MONOTONIC.
#include "wire.h"

#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const char usage[] =
    "usage: grpc-load -p PORT [options]\n"
    "  -t        TLS                           -a NAME   authority and SNI (demo.kubesre.com)\n"
    "  -c N      connections (8)               -P PATH   (/demo.Echo/Unary)\n"
    "  -m N      streams on each (1)           -d BYTES  request body (21)\n"
    "  -j N      handshakes at a time (64)     -e BYTES  response body that is right (21)\n"
    "  -A N      the connections' names are spread over N hosts, h00000.NAME and so on\n"
    "  -n N      calls in all (10000), or      -w N      calls before the clock starts (0)\n"
    "  -T S      seconds                       -g        gate: print ready, wait for a line before the load\n"
    "  -r N      open loop, N calls a second, with -T; latency counts from the moment a call was due\n"
    "  -N        a new connection for every call\n"
    "  -S N      N long bidi streams on connections of their own, a message each every 100 ms\n";

enum {
    MESSAGE = 21, // 5 bytes of prefix and 16 of payload
    CLIENT_STREAM_WINDOW = 4 << 20,
    CLIENT_CONNECTION_WINDOW = 64 << 20,
    OUTPUT_LIMIT = 256 * 1024,
    MOST_FAILED_CONNECTIONS = 500,
    GRACE_SECONDS = 10,
    OPENING_SECONDS = 120, // thousands of TLS handshakes take their time
    STALL_SECONDS = 20, // without a word from anybody
    SHORTEST_TICK_NS = 50000,
    NAME_ROOM = 256,
};

typedef enum { CONNECTING, HANDSHAKING, OPEN, CLOSED } state;
typedef enum { OPENING, WARMING, LOADING, ENDING } phase;

typedef struct call call;

typedef struct {
    wire wire;
    state state;
    nghttp2_session *session;
    int inflight;
    bool goaway, settled, used_up; // used_up: its only call is over (-N)
    bool holds_stream;             // one of the long streams (-S)
    call *stream;
    char host[NAME_ROOM]; // with -A: a name of its own
} connection;

struct call {
    connection *connection;
    int32_t id;
    uint64_t begun;
    size_t body_left, received;
    int status, grpc_status, backend;
    bool message_due; // long streams only
};

static struct {
    int port, connections, streams, long_streams, parallel, hosts;
    bool tls, gate, new_connection_per_call;
    long calls, warm_up;
    double seconds, rate;
    size_t body, expected;
    const char *authority, *path;
} options = {.connections = 8,
             .streams = 1,
             .parallel = 64,
             .calls = 10000,
             .body = MESSAGE,
             .expected = MESSAGE,
             .authority = "demo.kubesre.com",
             .path = "/demo.Echo/Unary"};

typedef struct {
    long sent, ok, goaways, connections, bytes, backlog;
    long bad_status, bad_grpc_status, bad_length, reset, refused, lost, not_connected;
    long long_streams, long_streams_cut, long_stream_messages;
    double first_error, last_error, cut_at;
} counts;

static counts total;
static samples latency;
static struct {
    char name[16];
    long calls;
    double first, last;
} backends[8];
static int backend_count;

static int epoll;
static SSL_CTX *context;
static nghttp2_session_callbacks *callbacks;
static connection **all;
static int all_count, all_capacity;
static phase now_phase;
static uint64_t load_begun, load_ends;
static uint8_t filler[1 << 16];

static void count_error(long *kind) {
    *kind += 1;
    total.last_error = now_ms();
    if (total.first_error == 0) total.first_error = total.last_error;
}

static long errors(void) {
    return total.bad_status + total.bad_grpc_status + total.bad_length + total.reset + total.refused + total.lost +
           total.not_connected;
}

// Whether another call may begin.
static bool wants_calls(void) {
    switch (now_phase) {
    case OPENING:
    case ENDING: return false;
    case WARMING: return total.sent < options.warm_up;
    case LOADING: return options.seconds > 0 ? now_ns() < load_ends : total.sent < options.calls;
    }
    return false;
}

// ---- one call

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
    call *c = source->ptr;
    if (c->connection->holds_stream) {
        if (now_phase == ENDING) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            return 0;
        }
        if (!c->message_due) return NGHTTP2_ERR_DEFERRED;
        c->message_due = false;
        memcpy(out, filler, MESSAGE);
        return MESSAGE;
    }
    size_t count = c->body_left < room ? c->body_left : room;
    if (count > sizeof filler) count = sizeof filler;
    memcpy(out, filler, count);
    // Byte by byte: a window that is nearly used up may split the prefix.
    size_t begun = options.body - c->body_left;
    uint32_t length = (uint32_t)(options.body - 5);
    uint8_t prefix[5] = {0, length >> 24, length >> 16, length >> 8, length};
    for (size_t at = begun; at < sizeof prefix && at < begun + count; at++)
        out[at - begun] = prefix[at];
    c->body_left -= count;
    if (c->body_left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value),                                            \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                               \
    }

static const char *name_of(const connection *connection) {
    return options.hosts > 0 ? connection->host : options.authority;
}

static void begin_call(connection *connection, uint64_t begun) {
    call *c = calloc(1, sizeof *c);
    if (!c) fail("memory");
    *c = (call){.connection = connection, .begun = begun, .body_left = options.body, .grpc_status = -1, .backend = -1};
    nghttp2_nv fields[] = {
        FIELD(":method", "POST"),
        FIELD(":scheme", options.tls ? "https" : "http"),
        FIELD(":authority", name_of(connection)),
        FIELD(":path", connection->holds_stream ? "/demo.Echo/Stream" : options.path),
        FIELD("content-type", "application/grpc"),
        FIELD("te", "trailers"),
        FIELD("user-agent", "grpc-load/1"),
    };
    nghttp2_data_provider body = {.source.ptr = c, .read_callback = read_body};
    c->id = nghttp2_submit_request(connection->session, NULL, fields, sizeof fields / sizeof *fields, &body, c);
    if (c->id < 0) {
        count_error(&total.not_connected);
        free(c);
        return;
    }
    connection->inflight += 1;
    if (connection->holds_stream) {
        connection->stream = c;
        total.long_streams += 1;
    } else {
        total.sent += 1;
    }
}

static int find_backend(const char *name) {
    int i = 0;
    while (i < backend_count && strncmp(backends[i].name, name, sizeof backends[i].name - 1))
        i += 1;
    if (i == backend_count && i < 8) {
        snprintf(backends[i].name, sizeof backends[i].name, "%s", name);
        backend_count += 1;
    }
    return i < 8 ? i : -1;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    call *c = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!c) return 0;
    // nghttp2 ends every name and value with a zero byte.
    if (!strcmp((const char *)name, ":status")) c->status = atoi((const char *)value);
    if (!strcmp((const char *)name, "grpc-status")) c->grpc_status = atoi((const char *)value);
    if (!strcmp((const char *)name, "x-backend")) c->backend = find_backend((const char *)value);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count,
                    void *user) {
    call *c = nghttp2_session_get_stream_user_data(session, id);
    if (c && c->connection->holds_stream) total.long_stream_messages += 1;
    if (c) c->received += count;
    total.bytes += (long)count;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    connection *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        total.goaways += 1;
        c->goaway = true;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) c->settled = true;
    return 0;
}

static void stream_cut(void) {
    total.long_streams_cut += 1;
    if (total.cut_at == 0) total.cut_at = now_ms();
}

static void count_answer(const call *c, uint32_t code) {
    if (code == NGHTTP2_REFUSED_STREAM)
        count_error(&total.refused);
    else if (code != NGHTTP2_NO_ERROR)
        count_error(&total.reset);
    else if (c->status != 200)
        count_error(&total.bad_status);
    else if (c->grpc_status != 0)
        count_error(&total.bad_grpc_status);
    else if (c->received != options.expected)
        count_error(&total.bad_length);
    else {
        samples_add(&latency, now_ns() - c->begun);
        total.ok += 1;
        if (c->backend >= 0) {
            backends[c->backend].calls += 1;
            backends[c->backend].last = now_ms();
            if (backends[c->backend].first == 0) backends[c->backend].first = backends[c->backend].last;
        }
    }
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    connection *connection = user;
    call *c = nghttp2_session_get_stream_user_data(session, id);
    if (!c) return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    connection->inflight -= 1;
    if (connection->holds_stream) {
        if (now_phase != ENDING || code != NGHTTP2_NO_ERROR || c->grpc_status != 0) stream_cut();
        connection->stream = NULL;
    } else {
        count_answer(c, code);
        connection->used_up = options.new_connection_per_call;
    }
    free(c);
    return 0;
}

// ---- one connection

static connection *open_connection(bool holds_stream) {
    connection *c = NULL;
    for (int i = 0; i < all_count && !c; i++)
        if (all[i]->state == CLOSED) c = all[i];
    if (!c) {
        if (all_count == all_capacity) {
            all_capacity = all_capacity ? all_capacity * 2 : 64;
            all = realloc(all, (size_t)all_capacity * sizeof *all);
            if (!all) fail("memory");
        }
        c = all[all_count++] = malloc(sizeof *c);
        if (!c) fail("memory");
    }
    *c = (connection){.state = CONNECTING, .holds_stream = holds_stream};
    if (options.hosts > 0) {
        long number = total.connections % options.connections * options.hosts / options.connections;
        snprintf(c->host, sizeof c->host, "h%05ld.%s", number, options.authority);
    }
    total.connections += 1;
    if (wire_connect(&c->wire, epoll, options.port, c)) return c;
    count_error(&total.not_connected);
    wire_close(&c->wire);
    c->state = CLOSED;
    return NULL;
}

static void close_connection(connection *c) {
    if (c->state == CLOSED) return;
    if (c->state != OPEN) count_error(&total.not_connected);
    if (c->inflight > 0 && c->holds_stream) stream_cut();
    for (int i = 0; i < c->inflight && !c->holds_stream; i++)
        count_error(&total.lost);
    nghttp2_session_del(c->session); // frees no calls: streams that are closed this way report nothing
    wire_close(&c->wire);
    c->state = CLOSED;
}

static bool flush(connection *c) {
    do {
        const uint8_t *bytes;
        ssize_t count = 0;
        while (buffer_count(&c->wire.out) < OUTPUT_LIMIT && (count = nghttp2_session_mem_send(c->session, &bytes)) > 0)
            buffer_append(&c->wire.out, bytes, (size_t)count);
        if (count < 0 || !wire_flush(&c->wire)) return false;
        if (count == 0) return true;
    } while (buffer_count(&c->wire.out) == 0);
    return true;
}

// Closed loop, which an open one warms up with: as many calls as the connection may hold.
static void fill(connection *c) {
    bool paced = options.rate > 0 && now_phase == LOADING;
    if (paced || c->holds_stream || c->goaway || c->used_up) return;
    int limit = options.new_connection_per_call ? 1 : options.streams;
    if (c->inflight >= limit || !wants_calls()) return;
    uint64_t begun = now_ns();
    while (c->inflight < limit && wants_calls())
        begin_call(c, begun);
}

static void opened(connection *c) {
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CLIENT_STREAM_WINDOW}};
    c->state = OPEN;
    nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_submit_settings(c->session, 0, settings, 2);
    nghttp2_session_set_local_window_size(c->session, 0, 0, CLIENT_CONNECTION_WINDOW);
    if (c->holds_stream)
        begin_call(c, now_ns());
    else
        fill(c);
    if (!flush(c)) close_connection(c);
}

// Takes a connection one step towards OPEN; false: it is not there yet, or gone.
static void progress(connection *c) {
    if (c->state == CONNECTING) {
        if (!wire_connected(&c->wire)) {
            close_connection(c);
            return;
        }
        if (!options.tls) {
            opened(c);
            return;
        }
        wire_start_tls(&c->wire, context, name_of(c));
        c->state = HANDSHAKING;
    }
    int done = wire_handshake(&c->wire);
    if (done == 0) return;
    const uint8_t *protocol = NULL;
    unsigned length = 0;
    if (done == 1) SSL_get0_alpn_selected(c->wire.ssl, &protocol, &length);
    if (length == 2 && !memcmp(protocol, "h2", 2))
        opened(c);
    else
        close_connection(c);
}

static void handle(connection *c) {
    static uint8_t input[256 * 1024];
    if (c->state == CLOSED) return;
    if (c->state != OPEN) {
        progress(c);
        return;
    }
    ssize_t got;
    while ((got = wire_read(&c->wire, input, sizeof input)) > 0) {
        if (nghttp2_session_mem_recv(c->session, input, (size_t)got) < 0) {
            close_connection(c);
            return;
        }
        if (!wire_has_more(&c->wire, got, sizeof input)) break;
    }
    fill(c);
    if (got < 0 || c->used_up || !flush(c) || (c->goaway && c->inflight == 0)) close_connection(c);
}

// ---- the whole load

// Open loop: begins every call that is due by now.
static void pace(uint64_t now) {
    static double issued;
    static int turn;
    if (now_phase != LOADING || now < load_begun) return;
    double due = options.rate * (double)(now - load_begun) / 1e9;
    for (; issued < due; issued++) {
        connection *free_one = NULL;
        for (int tried = 0; tried < all_count && !free_one; tried++) {
            connection *c = all[turn++ % all_count];
            if (c->state == OPEN && !c->goaway && !c->holds_stream && c->settled) free_one = c;
        }
        if (!free_one) {
            total.backlog += 1;
            return;
        }
        begin_call(free_one, load_begun + (uint64_t)(issued / options.rate * 1e9));
    }
}

static void send_on_streams(uint64_t now) {
    static uint64_t last;
    if (now - last < 100000000u) return;
    last = now;
    for (int i = 0; i < all_count; i++) {
        connection *c = all[i];
        if (c->state != OPEN || !c->stream) continue;
        c->stream->message_due = true;
        nghttp2_session_resume_data(c->session, c->stream->id);
        if (!flush(c)) close_connection(c);
    }
}

// Keeps up the number of connections, those included that wait for GOAWAY to finish being replaced.
static void keep_connections(void) {
    int live = 0, waiting = 0;
    for (int i = 0; i < all_count; i++) {
        connection *c = all[i];
        if (c->state == CLOSED || c->holds_stream) continue;
        if (!c->goaway && !c->used_up) live += 1;
        if (c->state != OPEN) waiting += 1;
    }
    while (live < options.connections && waiting < options.parallel && total.not_connected < MOST_FAILED_CONNECTIONS) {
        if (options.new_connection_per_call && options.seconds == 0 && total.sent + waiting >= options.calls) return;
        if (!open_connection(false)) return;
        live += 1;
        waiting += 1;
    }
}

static int count_inflight(void) {
    int inflight = 0;
    for (int i = 0; i < all_count; i++)
        if (all[i]->state == OPEN) inflight += all[i]->inflight;
    return inflight;
}

static bool all_open(void) {
    int open = 0;
    for (int i = 0; i < all_count; i++)
        open += all[i]->state == OPEN && all[i]->settled;
    return open >= options.connections + options.long_streams;
}

static void fill_all(void) {
    for (int i = 0; i < all_count; i++) {
        if (all[i]->state != OPEN) continue;
        fill(all[i]);
        if (!flush(all[i])) close_connection(all[i]);
    }
}

static void begin_load(void) {
    long connections = total.connections, streams = total.long_streams;
    gate_open(options.gate);
    total = (counts){.connections = connections, .long_streams = streams};
    latency.count = 0;
    now_phase = LOADING;
    load_begun = now_ns();
    load_ends = load_begun + (uint64_t)(options.seconds * 1e9);
}

// Moves on when the present phase has done its work; false: all is over.
static bool advance(int inflight) {
    if (now_phase == OPENING && (all_open() || options.new_connection_per_call)) {
        now_phase = WARMING;
        fill_all();
    } else if (now_phase == WARMING && !wants_calls() && inflight <= options.long_streams) {
        begin_load();
        fill_all();
    } else if (now_phase == LOADING && !wants_calls() && inflight <= options.long_streams) {
        now_phase = ENDING;
        for (int i = 0; i < all_count; i++) {
            connection *c = all[i];
            if (c->state != OPEN || !c->stream) continue;
            nghttp2_session_resume_data(c->session, c->stream->id);
            if (!flush(c)) close_connection(c);
        }
        return options.long_streams > 0;
    } else if (now_phase == ENDING) {
        return inflight > 0;
    }
    return total.not_connected < MOST_FAILED_CONNECTIONS;
}

// Wakes the loop for each call that is due: with epoll's milliseconds calls would come in bursts, which proxies batch.
static int start_ticks(void) {
    if (options.rate <= 0) return -1;
    long period = (long)(1e9 / options.rate);
    if (period < SHORTEST_TICK_NS) period = SHORTEST_TICK_NS;
    struct timespec each = {period / 1000000000, period % 1000000000};
    struct itimerspec times = {.it_interval = each, .it_value = each};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (timer < 0 || timerfd_settime(timer, 0, &times, NULL)) fail("timer");
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    return timer;
}

static void run(void) {
    struct epoll_event events[512];
    int timer = start_ticks();
    uint64_t started = now_ns(), heard = started, expirations;
    for (int i = 0; i < options.long_streams; i++)
        open_connection(true);
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, options.long_streams > 0 ? 1 : 50);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                handle(events[i].data.ptr);
            else if (read(timer, &expirations, sizeof expirations) < 0)
                continue; // another wake-up has read it
        }
        uint64_t now = now_ns();
        if (ready > 0 || now_phase != LOADING) heard = now;
        if (now - heard > STALL_SECONDS * 1000000000ull) {
            fprintf(stderr, "grpc-load: nothing has come for %d s\n", STALL_SECONDS);
            return;
        }
        double limit =
            now_phase < LOADING ? OPENING_SECONDS : (options.seconds > 0 ? options.seconds : 170) + GRACE_SECONDS;
        if ((double)(now - (load_begun ? load_begun : started)) / 1e9 > limit) {
            fprintf(stderr, "grpc-load: out of time\n");
            return;
        }
        if (options.gate && now_phase < LOADING && errors() > 0) return; // the caller wants all or nothing
        if (now_phase < LOADING || wants_calls()) keep_connections();
        if (options.rate > 0 && wants_calls()) {
            pace(now);
            fill_all();
        }
        if (options.long_streams > 0 && now_phase == LOADING) send_on_streams(now);
        // Counting what is in flight costs a walk over the connections: only when the answer may matter.
        if (now_phase != LOADING || !wants_calls() || ready == 0 || options.new_connection_per_call)
            if (!advance(count_inflight())) return;
    }
}

static void report(double seconds) {
    samples_sort(&latency);
    printf("{\"ok\":%ld,\"errors\":%ld,\"bad_status\":%ld,\"bad_grpc_status\":%ld,\"bad_length\":%ld,\"reset\":%ld,\"refused\":%ld,"
           "\"lost\":%ld,\"not_connected\":%ld,\"sent\":%ld,\"goaways\":%ld,\"connections\":%ld,\"bytes\":%ld,"
           "\"seconds\":%.4f,\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"backlog\":%ld,"
           "\"long_streams\":%ld,\"long_streams_cut\":%ld,\"long_stream_messages\":%ld,\"cut_at_ms\":%.1f,"
           "\"first_error_at_ms\":%.1f,\"last_error_at_ms\":%.1f,\"backends\":{",
           total.ok, errors(), total.bad_status, total.bad_grpc_status, total.bad_length, total.reset, total.refused,
           total.lost, total.not_connected, total.sent, total.goaways, total.connections, total.bytes, seconds,
           seconds > 0 ? (double)total.ok / seconds : 0, samples_at(&latency, 0.5), samples_at(&latency, 0.99), samples_at(&latency, 1),
           total.backlog, total.long_streams, total.long_streams_cut, total.long_stream_messages, total.cut_at,
           total.first_error, total.last_error);
    for (int i = 0; i < backend_count; i++)
        printf("%s\"%s\":{\"calls\":%ld,\"first_at_ms\":%.1f,\"last_at_ms\":%.1f}", i ? "," : "", backends[i].name,
               backends[i].calls, backends[i].first, backends[i].last);
    printf("}}\n");
}

static bool parse(int count, char **arguments) {
    for (int option; (option = getopt(count, arguments, "p:tc:m:n:T:r:d:e:j:a:A:P:NS:w:g")) > 0;) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 't': options.tls = true; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'm': options.streams = atoi(optarg); break;
        case 'n': options.calls = atol(optarg); break;
        case 'T': options.seconds = atof(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'd': options.body = (size_t)atol(optarg); break;
        case 'e': options.expected = (size_t)atol(optarg); break;
        case 'j': options.parallel = atoi(optarg); break;
        case 'a': options.authority = optarg; break;
        case 'A': options.hosts = atoi(optarg); break;
        case 'P': options.path = optarg; break;
        case 'N': options.new_connection_per_call = true; break;
        case 'S': options.long_streams = atoi(optarg); break;
        case 'w': options.warm_up = atol(optarg); break;
        case 'g': options.gate = true; break;
        default: return false;
        }
    }
    return options.port > 0 && (options.rate == 0 || options.seconds > 0);
}

int main(int count, char **arguments) {
    if (!parse(count, arguments)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    memset(filler, 'r', sizeof filler);
    memcpy(filler, (uint8_t[5]){0, 0, 0, 0, MESSAGE - 5}, 5);
    if (options.tls) context = tls_client("h2");
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    samples_reserve(&latency, options.seconds > 0 ? 20000000 : (size_t)(options.calls + options.warm_up));
    epoll = epoll_create1(0);
    run();
    report(load_begun ? (double)(now_ns() - load_begun) / 1e9 : 0);
    gate_close(options.gate);
    return 0;
}
