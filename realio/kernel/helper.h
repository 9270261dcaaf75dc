// The helper process (kernel.h): does what it is asked, one request after another, and undoes it all when the daemon's
// end of the socket closes.
#ifndef QE_REALIO_KERNEL_HELPER_H
#define QE_REALIO_KERNEL_HELPER_H

// The life of the process, from just after the fork. `notify_command`: as in struct qe_config; "" for none.
_Noreturn void qe_kernel_helper(int socket, const char *notify_command);

#endif
