// Used by DataPlane: TLS without system calls, epoll and accept4.
#pragma once
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/bio.h>
