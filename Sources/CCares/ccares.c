#include "CCares.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netinet/in.h>
#include <arpa/nameser.h>

int causeway_dns_open(ares_channel *channel, const char *servers) {
    struct ares_options options;
    memset(&options, 0, sizeof options);
    options.timeout = 2000;
    options.tries = 2;
    options.lookups = servers ? "b" : "fb";
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS;
    if (servers) {
        options.flags = ARES_FLAG_NOSEARCH;
        mask |= ARES_OPT_FLAGS;
    }
    int status = ares_init_options(channel, &options, mask);
    if (status != ARES_SUCCESS || !servers) return status;
    status = ares_set_servers_ports_csv(*channel, servers);
    if (status != ARES_SUCCESS) ares_destroy(*channel);
    return status;
}

void causeway_dns_wait(ares_channel channel, int wake, int milliseconds) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd entries[ARES_GETSOCK_MAXNUM + 1];
    int bits = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
    nfds_t count = 0;
    entries[count++] = (struct pollfd){.fd = wake, .events = POLLIN};
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = (ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) | (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0);
        if (events) entries[count++] = (struct pollfd){.fd = sockets[i], .events = events};
    }
    struct timeval most, next;
    if (milliseconds >= 0) {
        most.tv_sec = milliseconds / 1000;
        most.tv_usec = milliseconds % 1000 * 1000;
    }
    struct timeval *due = ares_timeout(channel, milliseconds >= 0 ? &most : NULL, &next);
    int delay = due ? (int)(due->tv_sec * 1000 + (due->tv_usec + 999) / 1000) : -1;
    poll(entries, count, delay);
    int acted = 0;
    for (nfds_t i = 1; i < count; i++) {
        if (!entries[i].revents) continue;
        acted = 1;
        ares_process_fd(
            channel, entries[i].revents & ~POLLOUT ? entries[i].fd : ARES_SOCKET_BAD,
            entries[i].revents & POLLOUT ? entries[i].fd : ARES_SOCKET_BAD);
    }
    if (!acted) ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

// Steps over a name (RFC 1035 §4.1.4); NULL: it runs out of the response.
static const unsigned char *past_name(const unsigned char *at, const unsigned char *end) {
    while (at < end) {
        if (*at == 0) return at + 1;
        if (*at >= 0xc0) return at + 2 <= end ? at + 2 : NULL;
        at += 1 + *at;
    }
    return NULL;
}

long causeway_dns_ttl(const unsigned char *response, int length) {
    if (length < NS_HFIXEDSZ) return -1;
    const unsigned char *end = response + length, *at = response + NS_HFIXEDSZ;
    unsigned questions = response[4] << 8 | response[5], answers = response[6] << 8 | response[7];
    while (questions--) {
        at = past_name(at, end);
        if (!at || end - at < 4) return -1;
        at += 4;
    }
    long least = -1;
    while (answers--) {
        at = past_name(at, end);
        if (!at || end - at < 10) return -1;
        long ttl = (long)((unsigned long)at[4] << 24 | (unsigned long)at[5] << 16 | (unsigned long)at[6] << 8 | at[7]);
        unsigned size = at[8] << 8 | at[9];
        if (end - at - 10 < (long)size) return -1;
        at += 10 + size;
        if (least < 0 || ttl < least) least = ttl;
    }
    return least;
}
