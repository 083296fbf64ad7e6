// A fast WebSocket echo back end: one thread, epoll, HTTP/1.1 Upgrade. Messages come back frame by frame, PING is
// answered by PONG, CLOSE by the same CLOSE and the end of the connection. usage: ws-backend PORT
#include "wire.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

enum {
    HEAD_LIMIT = 16384,
    FRAME_LIMIT = 64 << 20,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

typedef struct {
    wire wire;
    buffer in;
    bool upgraded, closing;
} connection;

static void reply(connection *c, const char *text) {
    buffer_append(&c->wire.out, text, strlen(text));
}

// Answers the handshake once its head is complete; false: the peer is no WebSocket client.
static bool upgrade(connection *c) {
    uint8_t *head = buffer_start(&c->in);
    uint8_t *end = memmem(head, buffer_count(&c->in), "\r\n\r\n", 4);
    if (!end) return buffer_count(&c->in) <= HEAD_LIMIT;
    char key[128] = "";
    for (uint8_t *line = head; line < end;) {
        uint8_t *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        static const char name[] = "Sec-WebSocket-Key:";
        if (!strncasecmp((char *)line, name, strlen(name))) {
            uint8_t *value = line + strlen(name);
            while (*value == ' ')
                value++;
            if (next - value > 64) return false;
            memcpy(key, value, (size_t)(next - value));
            key[next - value] = 0;
        }
        line = next + 2;
    }
    if (!*key) {
        reply(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        c->closing = true;
        return true;
    }
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); // RFC 6455 §1.3
    uint8_t digest[SHA_DIGEST_LENGTH], accept[64];
    SHA1((uint8_t *)key, strlen(key), digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    reply(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    reply(c, (char *)accept);
    reply(c, "\r\n\r\n");
    buffer_consume(&c->in, (size_t)(end - head) + 4);
    c->upgraded = true;
    return true;
}

static void send_frame(connection *c, uint8_t first, const uint8_t *payload, uint64_t count) {
    uint8_t header[10] = {first};
    size_t length = 2;
    if (count < 126) {
        header[1] = (uint8_t)count;
    } else if (count < 65536) {
        header[1] = 126;
        header[2] = (uint8_t)(count >> 8);
        header[3] = (uint8_t)count;
        length = 4;
    } else {
        header[1] = 127;
        for (int i = 0; i < 8; i++)
            header[2 + i] = (uint8_t)(count >> (56 - 8 * i));
        length = 10;
    }
    buffer_append(&c->wire.out, header, length);
    buffer_append(&c->wire.out, payload, count);
}

// Echoes every complete frame; false: the peer breaks the protocol.
static bool echo_frames(connection *c) {
    while (buffer_count(&c->in) >= 2 && !c->closing) {
        uint8_t *frame = buffer_start(&c->in), opcode = frame[0] & 15;
        size_t available = buffer_count(&c->in), header = 2;
        uint64_t count = frame[1] & 127;
        if (!(frame[1] & 128)) return false; // clients must mask
        if (count == 126) {
            if (available < 4) return true;
            count = (uint64_t)frame[2] << 8 | frame[3];
            header = 4;
        } else if (count == 127) {
            if (available < 10) return true;
            count = 0;
            for (int i = 2; i < 10; i++)
                count = count << 8 | frame[i];
            header = 10;
        }
        if (count > FRAME_LIMIT) return false;
        if (available < header + 4 + count) return true;
        uint8_t *mask = frame + header, *payload = mask + 4;
        for (uint64_t i = 0; i < count; i++)
            payload[i] ^= mask[i & 3];
        uint8_t final = frame[0] & 0x80;
        if (opcode != OPCODE_PONG)
            send_frame(c, opcode == OPCODE_PING ? final | OPCODE_PONG : frame[0], payload, count);
        c->closing = opcode == OPCODE_CLOSE;
        buffer_consume(&c->in, header + 4 + count);
    }
    return true;
}

static void handle(connection *c) {
    static uint8_t input[256 * 1024];
    ssize_t got = wire_read(&c->wire, input, sizeof input);
    bool alive = got >= 0;
    if (got > 0) buffer_append(&c->in, input, (size_t)got);
    if (alive && !c->upgraded) alive = upgrade(c);
    if (alive && c->upgraded) alive = echo_frames(c);
    if (alive) alive = wire_flush(&c->wire);
    if (alive && (!c->closing || buffer_count(&c->wire.out) > 0)) return;
    wire_close(&c->wire);
    buffer_release(&c->in);
    free(c);
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: ws-backend PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_on(atoi(arguments[1])), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) {
                handle(events[i].data.ptr);
                continue;
            }
            for (connection *c; (c = calloc(1, sizeof *c)) != NULL;) {
                if (wire_accept(&c->wire, epoll, listener, c)) continue;
                free(c);
                break;
            }
        }
    }
}
