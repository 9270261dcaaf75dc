#include "node/notices.h"

#include "node/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// The notice with that text, or the one that makes room for it.
static struct cplane_notice *place_for(struct qe_cplane *c, const char *text)
{
    struct cplane_notice *oldest = c->notices;
    for (size_t i = 0; i < CPLANE_NOTICES_MAX; i++) {
        struct cplane_notice *notice = &c->notices[i];
        if (notice->count && strcmp(notice->text, text) == 0) return notice;
        if (notice->at_ns < oldest->at_ns) oldest = notice;
    }
    *oldest = (struct cplane_notice){0};
    snprintf(oldest->text, sizeof oldest->text, "%s", text);
    return oldest;
}

bool cplane_notify(struct qe_cplane *c, const char *format, ...)
{
    char text[CPLANE_NOTICE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!c->notices) c->notices = qe_zalloc(c->mem, CPLANE_NOTICES_MAX, sizeof *c->notices);
    struct cplane_notice *notice = c->notices ? place_for(c, text) : NULL;
    if (notice) {
        bool told = notice->count && c->now_ns - notice->told_ns < CPLANE_NOTICE_AGAIN_NS;
        notice->at_ns = c->now_ns;
        notice->count++;
        if (told) return false;
        notice->told_ns = c->now_ns;
    }
    struct cplane_action *a = cplane_act(c, QE_ACTION_NOTIFY, strlen(text) + 1);
    if (!a) return false;
    memcpy(a->bytes, text, strlen(text) + 1);
    a->action.notify = a->bytes;
    return true;
}

static int newer(const void *a, const void *b)
{
    const struct cplane_notice *x = *(const struct cplane_notice *const *)a;
    const struct cplane_notice *y = *(const struct cplane_notice *const *)b;
    if (x->at_ns != y->at_ns) return x->at_ns > y->at_ns ? -1 : 1;
    return strcmp(x->text, y->text);
}

void cplane_write_notices(const struct qe_cplane *c, struct qe_json *json)
{
    const struct cplane_notice *list[CPLANE_NOTICES_MAX];
    size_t count = 0;
    for (size_t i = 0; c->notices && i < CPLANE_NOTICES_MAX; i++)
        if (c->notices[i].count) list[count++] = &c->notices[i];
    qsort(list, count, sizeof list[0], newer);
    qe_json_key(json, "notifications");
    qe_json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        qe_json_object_begin(json);
        member(json, "text", list[i]->text);
        number(json, "age_ms", (c->now_ns - list[i]->at_ns) / QE_NS_PER_MS);
        number(json, "count", list[i]->count);
        qe_json_object_end(json);
    }
    qe_json_array_end(json);
}
