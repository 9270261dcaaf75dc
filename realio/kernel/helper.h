// The helper process (kernel.h): does what it is asked, one request after another, and undoes it all when the daemon's
// end of the socket closes.
#ifndef QE_REALIO_KERNEL_HELPER_H
#define QE_REALIO_KERNEL_HELPER_H

// The life of the process, from just after the fork.
_Noreturn void qe_kernel_helper(int socket);

#endif
