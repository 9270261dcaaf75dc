// Settings of the kernel's network under /proc/sys/net, and which of them a node has changed.
#ifndef QE_REALIO_KERNEL_SYSCTL_H
#define QE_REALIO_KERNEL_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>

#define QE_SYSCTL_NAME_SIZE 64

// `name` is the path below /proc/sys/net: "ipv4/ip_forward". The number there; -1: none. 0, or -1 with errno.
int qe_sysctl_get(const char *name);
int qe_sysctl_set(const char *name, int value);

#endif
