/* Holds one thread of a process still, as if it did not come back from what it does, until standard input ends.
   usage: holdthread TID. Says `held` when it stands; the rest of the process runs on. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

int main(int count, char **arguments) {
    pid_t thread = count == 2 ? atoi(arguments[1]) : 0;
    if (ptrace(PTRACE_SEIZE, thread, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0 ||
        waitpid(thread, NULL, __WALL) != thread) {
        perror("holdthread");
        return 1;
    }
    puts("held");
    fflush(stdout);
    while (getchar() != EOF) {}
    /* One that has been killed meanwhile cannot be let go. */
    ptrace(PTRACE_DETACH, thread, 0, 0);
    return 0;
}
