// Used by DataPlane: what a process needs of the kernel to be replaced by another one, and Swift cannot import (macros).
#pragma once
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

/// The most descriptors that one packet carries (SCM_MAX_FD of the kernel).
enum { causeway_descriptors_per_packet = 253 };

/// A pair of connected sockets that keep packets apart, both closed by exec. 0 on success.
int causeway_packet_pair(int pair[2]);
/// Sends one packet with descriptors. Its length, or -1 with errno.
ssize_t causeway_send_packet(int socket, const void *bytes, size_t length, const int *descriptors, int count);
/// Receives one packet, with descriptors that exec closes; `*count` is how many there is room for, then how many came. The
/// packet's length, 0 at the end, or -1 with errno (EMSGSIZE: bytes or descriptors were cut off; those that came are closed).
ssize_t causeway_receive_packet(int socket, void *bytes, size_t capacity, int *descriptors, int *count);

/// A descriptor that is readable while one of these (blocked) signals is pending. Negative on failure.
int causeway_signals_open(const sigset_t *signals);
/// Takes the next signal off; 0 when there is none.
int causeway_signals_next(int descriptor);

/// Starts `arguments[0]` (without a slash: looked up in PATH) with `socket` as its descriptor 3, which `variable` of its environment
/// names; the `count` variables of `without` are left out of that. It becomes a child of this process's parent, which may be a
/// service manager and must hear of its end; `*process` is a descriptor of it, readable when it has ended. 0, or an error number.
int causeway_spawn(pid_t *sister, int *process, char *const *arguments, int socket, const char *variable,
                   const char *const *without, int count);
/// SIGKILL to the process of a descriptor. 0 on success.
int causeway_process_kill(int process);

/// Whether it is a stream socket that listens.
int causeway_is_listening(int descriptor);
