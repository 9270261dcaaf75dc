#include "errand.h"

#include "netlink.h"
#include "unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t parse_list(const char *text, struct qe_cidr *list, size_t room)
{
    char copy[2048], *rest = NULL;
    uint32_t count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = strtok_r(copy, " ", &rest); at && count < room; at = strtok_r(NULL, " ", &rest))
        CU_ASSERT_TRUE_FATAL(qe_cidr_parse(at, &list[count++]));
    return count;
}

void errand_begin(struct errand *errand, const char *tun_name, const char *addresses)
{
    struct qe_cidr list[8];
    struct qe_fault fault = {.text = ""};
    bool no_ipv6;
    memset(errand, 0, sizeof *errand);
    CU_ASSERT_EQUAL_FATAL(qe_kernel_start(&errand->kernel, "", &fault), 0);
    qe_tun_init(&errand->tun);
    int opened = qe_tun_open(&errand->tun, tun_name, &fault);
    if (opened) puts(fault.text);
    CU_ASSERT_EQUAL_FATAL(opened, 0);
    struct qe_netlink_tun setup = {.index = errand->tun.index,
        .name = tun_name,
        .mtu = 1420,
        .addresses = list,
        .address_count = parse_list(addresses, list, 8)};
    CU_ASSERT_EQUAL_FATAL(qe_netlink_set_up_tun(&setup, &no_ipv6, &fault), 0);
    struct qe_kernel_message *message = qe_kernel_blank(&errand->kernel, QE_KERNEL_TUN, 0);
    snprintf(message->text, sizeof message->text, "%s", tun_name);
    message->number = errand->tun.index;
    message->count = parse_list(addresses, message->list, 8);
    CU_ASSERT_EQUAL(qe_kernel_ask(&errand->kernel), 0);
    // What it is asked next it does after that.
    errand_prefixes(errand, QE_KERNEL_ROUTES, "", false);
}

void errand_end(struct errand *errand)
{
    pid_t pid = errand->kernel.pid;
    int status = -1;
    qe_kernel_stop(&errand->kernel);
    waitpid(pid, &status, 0);
    CU_ASSERT_EQUAL(status, 0);
    qe_tun_close(&errand->tun, NULL);
}

bool errand_wait(struct errand *errand, uint64_t *request)
{
    for (;;) {
        int fd;
        if (qe_kernel_next(&errand->kernel, &fd)) {
            const struct qe_kernel_message *message = errand->kernel.message;
            if (message->kind == QE_KERNEL_LOG) {
                size_t used = strlen(errand->logs);
                snprintf(errand->logs + used, sizeof errand->logs - used, "%s\n", message->text);
                continue;
            }
            *request = message->request;
            errand->code = message->code;
            memcpy(errand->text, message->text, sizeof errand->text);
            errand->count = message->count < QE_KERNEL_RESOLVED_MAX ? message->count : QE_KERNEL_RESOLVED_MAX;
            memcpy(errand->list, message->list, errand->count * sizeof errand->list[0]);
            errand->fd = fd;
            return true;
        }
        struct pollfd ready = {errand->kernel.fd, POLLIN, 0};
        if (errand->kernel.fd < 0 || poll(&ready, 1, 10000) <= 0) return false;
    }
}

static bool ask(struct errand *errand)
{
    uint64_t request = 0;
    errand->text[0] = '\0';
    if (qe_kernel_ask(&errand->kernel)) return false;
    do {
        if (!errand_wait(errand, &request)) return false;
    } while (request != errand->request);
    return errand->code == QE_RESULT_OK;
}

bool errand_prefixes(struct errand *errand, enum qe_kernel_kind kind, const char *prefixes, bool flag)
{
    struct qe_kernel_message *message = qe_kernel_blank(&errand->kernel, kind, ++errand->request);
    if (!message) return false;
    message->flag = flag;
    message->count = parse_list(prefixes, message->list, QE_KERNEL_PREFIXES_MAX);
    return ask(errand);
}

bool errand_text(struct errand *errand, enum qe_kernel_kind kind, const char *text, const char *addr)
{
    struct qe_kernel_message *message = qe_kernel_blank(&errand->kernel, kind, ++errand->request);
    if (!message) return false;
    snprintf(message->text, sizeof message->text, "%s", text);
    if (addr) CU_ASSERT_TRUE_FATAL(qe_addr_parse(addr, &message->addr));
    return ask(errand);
}

bool errand_socket(struct errand *errand, const char *addr, bool underlay)
{
    struct qe_kernel_message *message = qe_kernel_blank(&errand->kernel, QE_KERNEL_SOCKET, ++errand->request);
    if (!message) return false;
    CU_ASSERT_TRUE_FATAL(qe_addr_parse(addr, &message->addr));
    message->flag = underlay;
    return ask(errand);
}

uint64_t errand_send(struct errand *errand, enum qe_kernel_kind kind, const char *text)
{
    struct qe_kernel_message *message = qe_kernel_blank(&errand->kernel, kind, ++errand->request);
    snprintf(message->text, sizeof message->text, "%s", text);
    return qe_kernel_ask(&errand->kernel) == 0 ? errand->request : 0;
}
