// An intrusive circular doubly-linked list. A node that is in no list points at itself.
#ifndef QE_BASE_LIST_H
#define QE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct qe_list {
    struct qe_list *prev;
    struct qe_list *next;
};

// The struct of which `ptr` is the member `member`.
#define qe_container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void qe_list_init(struct qe_list *list)
{
    list->prev = list->next = list;
}

static inline bool qe_list_empty(const struct qe_list *list)
{
    return list->next == list;
}

static inline void qe_list_insert_before(struct qe_list *at, struct qe_list *item)
{
    item->prev = at->prev;
    item->next = at;
    at->prev->next = item;
    at->prev = item;
}

// Appends to the list whose head is `list`.
static inline void qe_list_append(struct qe_list *list, struct qe_list *item)
{
    qe_list_insert_before(list, item);
}

// Takes the item out of whatever list it is in; harmless where it is in none.
static inline void qe_list_remove(struct qe_list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    qe_list_init(item);
}

#endif
