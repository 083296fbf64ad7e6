// A WebSocket client that makes load: one thread, epoll, clear text or TLS 1.3, HTTP/1.1 Upgrade, some messages at a time
// on each connection, every byte of every echo compared. The last line of output is JSON.
#include "wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

static const char usage[] =
    "usage: ws-load -p PORT [options]\n"
    "  -t        TLS                         -a NAME   authority and SNI (demo.kubesre.com)\n"
    "  -c N      connections (100)           -P PATH   (/ws)\n"
    "  -j N      handshakes at a time (64)   -s BYTES  payload of a message (64)\n"
    "  -n N      messages in all (100000), or            -i N  messages in flight on each (1)\n"
    "  -T S      seconds                     -g        gate: print ready, wait for a line before the load\n"
    "  -w N      messages before the clock starts (0)\n"
    "  -H S      stay idle for so long once all are open, then echo one message on each\n";

enum { FRAME_ROOM = 16, GRACE_SECONDS = 10, LONGEST_SECONDS = 170, HEAD_LIMIT = 4096, MOST_IN_FLIGHT = 64 };

typedef enum { WAITING, CONNECTING, SECURING, UPGRADING, OPEN, CLOSED } state;
typedef struct {
    wire wire;
    state state;
    int inflight;
    size_t received; // of the first echo that is due
    uint64_t sent_at[MOST_IN_FLIGHT];
    unsigned next_sent, next_echo; // places in sent_at
    char head[HEAD_LIMIT + 1]; // of the handshake's answer
    size_t head_length;
} connection;

static struct {
    int port, connections, parallel, inflight;
    bool tls, gate;
    long messages, warm_up;
    double seconds, hold;
    size_t size;
    const char *authority, *path;
} options = {
    .connections = 100,
    .parallel = 64,
    .inflight = 1,
    .messages = 100000,
    .size = 64,
    .authority = "demo.kubesre.com",
    .path = "/ws",
};

static struct { long sent, echoed, unanswered, opened, not_opened, lost; } total;

static int epoll, begun_connections, pending_connections;
static connection *all;
static SSL_CTX *context;
static samples latency;
static uint64_t load_begun, load_ends;
static bool warming;
static buffer message; // one masked frame
static buffer echo;    // the unmasked frame that must come back

static void build_message(void) {
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t header[10] = {0x82};
    size_t length = 2;
    if (options.size < 126) {
        header[1] = 0x80 | (uint8_t)options.size;
    } else if (options.size < 65536) {
        header[1] = 0x80 | 126;
        header[2] = (uint8_t)(options.size >> 8);
        header[3] = (uint8_t)options.size;
        length = 4;
    } else {
        header[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            header[2 + i] = (uint8_t)((uint64_t)options.size >> (56 - 8 * i));
        length = 10;
    }
    buffer_append(&message, header, length);
    buffer_append(&message, mask, sizeof mask);
    header[1] &= 0x7f;
    buffer_append(&echo, header, length);
    for (size_t i = 0; i < options.size; i++) {
        uint8_t plain = (uint8_t)('a' + i % 26), masked = plain ^ mask[i & 3];
        buffer_append(&message, &masked, 1);
        buffer_append(&echo, &plain, 1);
    }
}

static void close_connection(connection *c) {
    if (c->state == CLOSED) return;
    if (c->state == OPEN) {
        total.lost += 1;
    } else {
        total.not_opened += 1;
        pending_connections -= 1;
    }
    total.unanswered += c->inflight;
    c->inflight = 0;
    wire_close(&c->wire);
    c->state = CLOSED;
}

static bool wants_messages(void) {
    if (warming) return total.sent < options.warm_up;
    return options.seconds > 0 ? now_ns() <= load_ends : total.sent < options.messages;
}

// Sends as many messages as the connection may have in flight, in one write.
static void send_messages(connection *c) {
    if (c->inflight >= options.inflight || !wants_messages()) return;
    uint64_t now = now_ns();
    while (c->inflight < options.inflight && wants_messages()) {
        total.sent += 1;
        c->inflight += 1;
        c->sent_at[c->next_sent++ % MOST_IN_FLIGHT] = now;
        buffer_append(&c->wire.out, buffer_start(&message), buffer_count(&message));
    }
    if (!wire_flush(&c->wire)) close_connection(c);
}

static void send_handshake(connection *c) {
    char head[1024];
    int length = snprintf(head, sizeof head,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                          options.path, options.authority);
    c->state = UPGRADING;
    buffer_append(&c->wire.out, head, (size_t)length);
    if (!wire_flush(&c->wire)) close_connection(c);
}

static void open_more(void) {
    while (pending_connections < options.parallel && begun_connections < options.connections) {
        connection *c = &all[begun_connections++];
        pending_connections += 1;
        c->state = CONNECTING;
        if (!wire_connect(&c->wire, epoll, options.port, c)) close_connection(c);
    }
}

// The answer to the key above (RFC 6455 §1.3).
static void read_answer(connection *c, const uint8_t *bytes, size_t count) {
    if (c->head_length + count > HEAD_LIMIT) {
        close_connection(c);
        return;
    }
    memcpy(c->head + c->head_length, bytes, count);
    c->head_length += count;
    c->head[c->head_length] = 0;
    if (!strstr(c->head, "\r\n\r\n")) return;
    if (strncmp(c->head, "HTTP/1.1 101", 12) || !strcasestr(c->head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) {
        close_connection(c);
        return;
    }
    c->state = OPEN;
    pending_connections -= 1;
    total.opened += 1;
}

static void read_echoes(connection *c, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        size_t part = buffer_count(&echo) - c->received;
        if (part > count) part = count;
        // Nothing was expected, or something else: a close frame, or noise.
        if (c->inflight == 0 || memcmp(bytes, buffer_start(&echo) + c->received, part)) {
            close_connection(c);
            return;
        }
        c->received += part;
        bytes += part;
        count -= part;
        if (c->received < buffer_count(&echo)) return;
        c->received = 0;
        c->inflight -= 1;
        total.echoed += 1;
        samples_add(&latency, now_ns() - c->sent_at[c->next_echo++ % MOST_IN_FLIGHT]);
    }
}

static void handle(connection *c) {
    static uint8_t input[256 * 1024];
    if (c->state == CONNECTING) {
        if (!wire_connected(&c->wire)) {
            close_connection(c);
            return;
        }
        if (!options.tls) {
            send_handshake(c);
            return;
        }
        wire_start_tls(&c->wire, context, options.authority);
        c->state = SECURING;
    }
    if (c->state == SECURING) {
        int done = wire_handshake(&c->wire);
        if (done == 1) send_handshake(c);
        if (done < 0) close_connection(c);
        return;
    }
    if (c->state == CLOSED) return;
    if (!wire_flush(&c->wire)) {
        close_connection(c);
        return;
    }
    for (;;) {
        ssize_t got = wire_read(&c->wire, input, sizeof input);
        if (got == 0) break;
        if (got < 0) {
            close_connection(c);
            return;
        }
        if (c->state == UPGRADING)
            read_answer(c, input, (size_t)got);
        else
            read_echoes(c, input, (size_t)got);
        if (c->state == CLOSED) return;
        if (!wire_has_more(&c->wire, got, sizeof input)) break;
    }
    if (load_begun != 0 || warming) send_messages(c);
}

static void send_on_all(void) {
    for (int i = 0; i < options.connections; i++)
        if (all[i].state == OPEN) send_messages(&all[i]);
}

static void begin_load(void) {
    gate_open(options.gate);
    warming = false;
    total.sent = total.echoed = 0;
    latency.count = 0;
    if (options.hold > 0) options.messages = total.opened - total.lost;
    load_begun = now_ns();
    load_ends = load_begun + (uint64_t)(options.seconds * 1e9);
    send_on_all();
}

static bool awaits_echoes(void) {
    for (int i = 0; i < options.connections; i++)
        if (all[i].state == OPEN && all[i].inflight > 0) return true;
    return false;
}

static void run(void) {
    struct epoll_event events[512];
    uint64_t started = now_ns(), hold_ends = 0;
    for (open_more();; open_more()) {
        int ready = epoll_wait(epoll, events, 512, 50);
        for (int i = 0; i < ready; i++)
            handle(events[i].data.ptr);
        uint64_t now = now_ns();
        if (load_begun == 0 && options.gate && total.not_opened > 0) return; // the caller wants all or nothing
        if (load_begun == 0 && total.opened + total.not_opened >= options.connections) {
            if (hold_ends == 0) hold_ends = now + (uint64_t)(options.hold * 1e9);
            if (!warming && options.warm_up > 0) {
                warming = true;
                send_on_all();
            }
            if (now >= hold_ends && (!warming || (!wants_messages() && !awaits_echoes()))) begin_load();
        }
        if (load_begun != 0 && (ready == 0 || options.seconds == 0 || now > load_ends) && !awaits_echoes()) return;
        if ((double)(now - started) / 1e9 > LONGEST_SECONDS + GRACE_SECONDS + options.seconds + options.hold) {
            fprintf(stderr, "ws-load: out of time\n");
            return;
        }
    }
}

static bool parse(int count, char **arguments) {
    for (int option; (option = getopt(count, arguments, "p:tc:n:T:s:a:P:H:j:i:w:g")) > 0;) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 't': options.tls = true; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'n': options.messages = atol(optarg); break;
        case 'T': options.seconds = atof(optarg); break;
        case 's': options.size = (size_t)atol(optarg); break;
        case 'a': options.authority = optarg; break;
        case 'P': options.path = optarg; break;
        case 'H': options.hold = atof(optarg); break;
        case 'j': options.parallel = atoi(optarg); break;
        case 'i': options.inflight = atoi(optarg); break;
        case 'w': options.warm_up = atol(optarg); break;
        case 'g': options.gate = true; break;
        default: return false;
        }
    }
    return options.port > 0 && options.inflight > 0 && options.inflight <= MOST_IN_FLIGHT;
}

int main(int count, char **arguments) {
    if (!parse(count, arguments)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    build_message();
    if (options.tls) context = tls_client("http/1.1");
    samples_reserve(&latency, options.seconds > 0 ? 20000000 : (size_t)(options.messages + options.warm_up));
    all = calloc((size_t)options.connections, sizeof *all);
    if (!all) fail("memory");
    epoll = epoll_create1(0);
    run();
    double seconds = load_begun ? (double)(now_ns() - load_begun) / 1e9 : 0;
    samples_sort(&latency);
    printf("{\"ok\":%ld,\"errors\":%ld,\"opened\":%ld,\"not_opened\":%ld,\"lost\":%ld,\"seconds\":%.4f,\"rate\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           total.echoed, total.unanswered, total.opened, total.not_opened, total.lost, seconds,
           seconds > 0 ? (double)total.echoed / seconds : 0, samples_at(&latency, 0.5), samples_at(&latency, 0.99),
           samples_at(&latency, 1));
    gate_close(options.gate);
    return 0;
}
