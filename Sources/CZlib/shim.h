// zlib, for the admin page's files and the API document.
#pragma once
#include <zlib.h>
