// OpenSSL 3 for Swift: the library's headers, and the few lines that Swift cannot import (macros, callbacks, the BIO).
// This header must not define _GNU_SOURCE: it would change what Glibc looks like to every importer.
#pragma once
#include "engine.h"
#include "process.h"
#include "material.h"
