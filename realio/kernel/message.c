#include "message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool valid_ip(const struct qe_ip *ip)
{
    return ip->family == 4 || ip->family == 6;
}

bool qe_kernel_check(const struct qe_kernel_message *message, size_t size)
{
    if (size < qe_kernel_size(0) || message->count > QE_KERNEL_PREFIXES_MAX) return false;
    if (size != qe_kernel_size(message->count)) return false;
    if (!memchr(message->text, '\0', sizeof message->text)) return false;
    if (message->addr.ip.family != 0 && !valid_ip(&message->addr.ip)) return false;
    for (size_t i = 0; i < message->count; i++) {
        const struct qe_cidr *cidr = &message->list[i];
        if (!valid_ip(&cidr->ip) || cidr->bits > 8 * qe_ip_size(&cidr->ip)) return false;
    }
    return true;
}

int qe_kernel_send(int socket, const struct qe_kernel_message *message, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {(void *)(uintptr_t)message, qe_kernel_size(message->count)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

int qe_kernel_receive(int socket, struct qe_kernel_message *message, int *fd, bool wait)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof *fd)];
    struct iovec part = {message, sizeof *message};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size;
    *fd = -1;
    do
        size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (size < 0 && errno == EINTR);
    if (size <= 0) return (int)size;
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof *fd))
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (!(header.msg_flags & MSG_TRUNC) && qe_kernel_check(message, (size_t)size)) return 1;
    if (*fd >= 0) close(*fd);
    *fd = -1;
    errno = EBADMSG;
    return -1;
}
