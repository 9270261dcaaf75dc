// The user's own command for what he should hear of (monitoring.notify_command), run by a process of its own: without
// any right of the helper's, as the user "nobody" where that is possible, one at a time and not for long.
#ifndef QE_REALIO_KERNEL_NOTIFIER_H
#define QE_REALIO_KERNEL_NOTIFIER_H

// How long one may run.
#define QE_NOTIFIER_LIMIT_S 10

// Starts that process, which ends when the descriptor is closed. -1: there is none; errno says why.
int qe_notifier_start(const char *command);
// Has it run the command with this line as its only argument, when those before it have ended; a few wait. 0, or -1
// with errno: EAGAIN for too many, EPIPE where the process is gone, as without the right to become another user.
int qe_notifier_tell(int notifier, const char *line);

#endif
