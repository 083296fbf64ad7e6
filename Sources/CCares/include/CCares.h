// c-ares for Swift: the library's own header, and the few calls that are awkward from there. One thread uses a channel.
#pragma once

#include <ares.h>

// A channel that asks `servers` (ADDRESS[:PORT], separated by commas) and nobody else, or where that is NULL what
// resolv.conf says, after /etc/hosts. ARES_SUCCESS, or why not.
int causeway_dns_open(ares_channel *channel, const char *servers);

// Waits until an answer has come, a query is due, `wake` is readable, or the time is over (-1: never); lets c-ares act.
void causeway_dns_wait(ares_channel channel, int wake, int milliseconds);

// The smallest time to live among the answers of a response in seconds; -1: it is malformed, or has none.
long causeway_dns_ttl(const unsigned char *response, int length);
