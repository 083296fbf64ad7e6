#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int causeway_packet_pair(int pair[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair); }

/// Room for the descriptors of a packet, aligned as the macros want it.
typedef union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * causeway_descriptors_per_packet)];
} ancillary;

ssize_t causeway_send_packet(int socket, const void *bytes, size_t length, const int *descriptors, int count) {
    if (count < 0 || count > causeway_descriptors_per_packet) {
        errno = EINVAL;
        return -1;
    }
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ancillary control;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t causeway_receive_packet(int socket, void *bytes, size_t capacity, int *descriptors, int *count) {
    int room = *count;
    *count = 0;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    ancillary control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got;
    do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0) return got;
    int cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int here = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < here; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + sizeof(int) * (size_t)i, sizeof descriptor);
            if (*count < room) {
                descriptors[(*count)++] = descriptor;
            } else {
                close(descriptor);
                cut = 1;
            }
        }
    }
    if (!cut) return got;
    for (int i = 0; i < *count; i++) close(descriptors[i]);
    *count = 0;
    errno = EMSGSIZE;
    return -1;
}

int causeway_signals_open(const sigset_t *signals) { return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK); }

int causeway_signals_next(int descriptor) {
    struct signalfd_siginfo info;
    return read(descriptor, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

/// Whether `entry` (NAME=VALUE) has this name.
static int names(const char *entry, const char *name) {
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

typedef struct {
    char *const *arguments;
    char *const *environment;
    int socket;
    const sigset_t *mask;
    int error;
} beginning;

/// The child until its exec: it has the memory of the parent, which stands still meanwhile, and handlers of its own. AddressSanitizer
/// knows nothing of its stack, and would warn at the exit.
__attribute__((no_sanitize("address"))) static int begin(void *context) {
    beginning *own = context;
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) continue;
        action.sa_handler = SIG_DFL;
        action.sa_flags = 0;
        sigaction(number, &action, NULL);
    }
    int handed = own->socket == 3 ? fcntl(3, F_SETFD, 0) : dup2(own->socket, 3);
    if (handed >= 0) {
        sigprocmask(SIG_SETMASK, own->mask, NULL);
        execvpe(own->arguments[0], own->arguments, own->environment);
    }
    own->error = errno;
    _exit(127);
}

// ThreadSanitizer takes every clone for a fork: then the child has memory of its own, but for what is mapped as shared.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define one_memory 0
#endif
#endif
#ifndef one_memory
#define one_memory CLONE_VM
#endif

/// As posix_spawnp(3), which knows neither sisters nor descriptors of processes.
static int start(pid_t *sister, int *process, const beginning *how) {
    const size_t size = 256 << 10;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return errno;
    sigset_t all, mask;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &mask);
    // At the end that the stack does not reach.
    beginning *own = (beginning *)stack;
    *own = *how;
    own->mask = &mask;
    const int flags = one_memory | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
    *sister = clone(begin, stack + size, flags | CLONE_PARENT, own, process);
    // The first process of a container has no parent whose child could be made.
    if (*sister < 0 && errno == EINVAL) *sister = clone(begin, stack + size, flags, own, process);
    int error = *sister < 0 ? errno : own->error;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    munmap(stack, size);
    if (*sister > 0 && error != 0) {
        close(*process);
        waitpid(*sister, NULL, WNOHANG);
    }
    return error;
}

int causeway_spawn(pid_t *sister, int *process, char *const *arguments, int socket, const char *variable,
                   const char *const *without, int count) {
    size_t size = 0;
    while (environ[size]) size++;
    char **environment = calloc(size + 2, sizeof *environment);
    char own[64];
    if (!environment) return ENOMEM;
    snprintf(own, sizeof own, "%s=3", variable);
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        int drop = names(environ[i], variable);
        for (int k = 0; k < count; k++) drop |= names(environ[i], without[k]);
        if (!drop) environment[kept++] = environ[i];
    }
    environment[kept] = own;
    beginning how = {.arguments = arguments, .environment = environment, .socket = socket};
    int error = start(sister, process, &how);
    free(environment);
    return error;
}

int causeway_process_kill(int process) { return pidfd_send_signal(process, SIGKILL, NULL, 0); }

int causeway_is_listening(int descriptor) {
    int type = 0, accepts = 0;
    socklen_t length = sizeof type;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) return 0;
    length = sizeof accepts;
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0 && accepts;
}
