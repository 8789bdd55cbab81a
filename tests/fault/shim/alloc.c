/* Preloaded: makes an allocation of the program fail, or all from one on, and says at its end how
 * many blocks were left that nothing points to. */
#include "fault/shim/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The leak check follows pointers as LeakSanitizer does, from the writable data of every module and
 * the thread's own: what libc and the loader keep for themselves is reached that way, so that there
 * is no need to compare with another run, and a block that is lost is found whoever asked for it.
 * The stack is left out: main has returned. All of our books are kept outside of what is searched.
 */

#define SLOTS (1U << 17)
#define THREAD_SIZE 2304 /* of the C library's struct pthread */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

struct block {
    uintptr_t at; /* 0: the slot is free */
    size_t size;
    const void *site;
    bool reached;
};

/* Mapped, not static: a search of our own data must not find the blocks in here. */
static struct books {
    struct block slots[SLOTS];
    struct block *sorted[SLOTS], *todo[SLOTS];
    size_t count, todo_count;
} *books;
static struct alloc_order *order;
static bool passing; /* inside of what cannot bear it */
static bool frozen;  /* at the end: the books are read */

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

static size_t slot_of(uintptr_t at)
{
    size_t slot = (at >> 4) * 0x9e3779b1U % SLOTS;
    while (books->slots[slot].at && books->slots[slot].at != at)
        slot = (slot + 1) % SLOTS;
    return slot;
}

static void *remember(void *block, size_t size, const void *site)
{
    if (!books)
        books = map(sizeof(*books));
    if (!block || frozen)
        return block;
    if (++books->count > SLOTS / 2)
        abort();
    books->slots[slot_of((uintptr_t)block)] = (struct block){(uintptr_t)block, size, site, false};
    return block;
}

/* Those behind it move up, so that they are still found. */
static void forget(const void *block)
{
    size_t slot = books ? slot_of((uintptr_t)block) : 0;
    if (!block || !books || frozen || !books->slots[slot].at)
        return;
    books->count--;
    books->slots[slot].at = 0;
    for (size_t next = (slot + 1) % SLOTS; books->slots[next].at; next = (next + 1) % SLOTS) {
        struct block moved = books->slots[next];
        books->slots[next].at = 0;
        books->slots[slot_of(moved.at)] = moved;
    }
}

static void name_site(const void *site, char *to, size_t size)
{
    Dl_info info;
    if (!site || !dladdr(site, &info))
        snprintf(to, size, "?");
    else
        snprintf(to, size, "%s+%#lx (%s)", info.dli_fname[0] == '/' ? info.dli_fname : "grid",
                 (unsigned long)((const char *)site - (const char *)info.dli_fbase) - 1,
                 info.dli_sname ? info.dli_sname : "?");
}

/* Counts an allocation; true: it is to fail. */
static bool fails(const void *site)
{
    if (!order || passing)
        return false;
    long number = ++order->count;
    if (number <= ALLOC_SITES) {
        Dl_info info = {0};
        order->sites[number - 1] = (unsigned long)site;
        if (order->fail_at == 0 && dladdr(site, &info) && info.dli_fname)
            order->sites[number - 1] = (unsigned long)((const char *)site
                                                       - (const char *)info.dli_fbase)
                                       * 31 + strlen(info.dli_fname);
    }
    bool now = order->fail_at > 0
               && (number == order->fail_at || (order->for_ever && number > order->fail_at));
    if (now && !order->failure[0])
        name_site(site, order->failure, sizeof(order->failure));
    if (now)
        errno = ENOMEM;
    return now;
}

#define SITE __builtin_return_address(0)
#define PUBLIC __attribute__((visibility("default")))

PUBLIC void *malloc(size_t size)
{
    return fails(SITE) ? NULL : remember(__libc_malloc(size), size, SITE);
}

PUBLIC void *calloc(size_t count, size_t size)
{
    return fails(SITE) ? NULL : remember(__libc_calloc(count, size), count * size, SITE);
}

static void *change(void *block, size_t size, const void *site)
{
    if (fails(site))
        return NULL;
    struct block was = block && books ? books->slots[slot_of((uintptr_t)block)]
                                      : (struct block){0};
    forget(block);
    void *changed = __libc_realloc(block, size);
    if (!changed && size > 0 && was.at)
        remember(block, was.size, was.site);
    return remember(changed, size, site);
}

PUBLIC void *realloc(void *block, size_t size)
{
    return change(block, size, SITE);
}

PUBLIC void *reallocarray(void *block, size_t count, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return change(block, whole, SITE);
}

PUBLIC void *memalign(size_t alignment, size_t size)
{
    return fails(SITE) ? NULL : remember(__libc_memalign(alignment, size), size, SITE);
}

/* The name services of glibc 2.36 abort, or use what they did not get: they fail as a whole. */
PUBLIC int getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t size,
                      struct passwd **ret)
{
    static __typeof__(&getpwuid_r) real;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
    *ret = NULL;
    if (fails(SITE))
        return ENOMEM;
    passing = true;
    int failed = real(uid, entry, text, size, ret);
    passing = false;
    return failed;
}

PUBLIC struct passwd *getpwuid(uid_t uid)
{
    static __typeof__(&getpwuid) real;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getpwuid");
    if (fails(SITE))
        return NULL;
    passing = true;
    struct passwd *entry = real(uid);
    passing = false;
    return entry;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(SITE) ? NULL : remember(__libc_memalign(alignment, size), size, SITE);
}

PUBLIC int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *block = fails(SITE) ? NULL
                              : remember(__libc_memalign(alignment, size), size, SITE);
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

PUBLIC void free(void *block)
{
    forget(block);
    __libc_free(block);
}

/* --- at the end ------------------------------------------------------------------------------ */

static int by_address(const void *a, const void *b)
{
    const struct block *left = *(struct block *const *)a, *right = *(struct block *const *)b;
    return (left->at > right->at) - (left->at < right->at);
}

/* A pointer into a block counts, too. */
static void reach(uintptr_t pointer)
{
    size_t low = 0, high = books->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (books->sorted[middle]->at <= pointer)
            low = middle + 1;
        else
            high = middle;
    }
    struct block *block = low > 0 ? books->sorted[low - 1] : NULL;
    if (!block || block->reached || pointer > block->at + block->size)
        return;
    block->reached = true;
    books->todo[books->todo_count++] = block;
}

static void search(uintptr_t from, size_t size)
{
    for (uintptr_t at = (from + 7) & ~(uintptr_t)7; at + sizeof(at) <= from + size; at += 8)
        reach(*(const uintptr_t *)at);
    while (books->todo_count > 0) {
        struct block *block = books->todo[--books->todo_count];
        for (uintptr_t at = block->at; at + sizeof(at) <= block->at + block->size; at += 8)
            reach(*(const uintptr_t *)at);
    }
}

static int search_module(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_W))
            search(info->dlpi_addr + part->p_vaddr, part->p_memsz);
        if (part->p_type == PT_TLS && info->dlpi_tls_data)
            search((uintptr_t)info->dlpi_tls_data, part->p_memsz);
    }
    return 0;
}

/* The blocks that hold its share of thread-local data hang on a vector that the loader made before
 * there was a malloc: behind its first word is a pointer to it, and before that its length. */
static void search_thread(void)
{
    uintptr_t self = (uintptr_t)pthread_self();
    const uintptr_t *vector = (const uintptr_t *)((const uintptr_t *)self)[1];
    search(self, THREAD_SIZE);
    if (vector)
        search((uintptr_t)vector, (vector[-2] + 1) * 2 * sizeof(*vector));
}

__attribute__((constructor)) static void begin(void)
{
    void *at = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED, ALLOC_FD, 0);
    close(ALLOC_FD);
    unsetenv("LD_PRELOAD"); /* commands and hooks that are run are none of ours */
    if (!books)
        books = map(sizeof(*books));
    order = at == MAP_FAILED ? NULL : at;
}

__attribute__((destructor)) static void end(void)
{
    struct alloc_order *result = order;
    order = NULL;
    frozen = true;
    if (!result)
        return;
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++)
        if (books->slots[i].at)
            books->sorted[count++] = &books->slots[i];
    qsort(books->sorted, count, sizeof(books->sorted[0]), by_address);
    books->count = count;
    dl_iterate_phdr(search_module, NULL);
    search_thread();
    for (size_t i = 0; i < count; i++) {
        if (books->sorted[i]->reached)
            continue;
        if (result->leaked++ == 0)
            name_site(books->sorted[i]->site, result->leak, sizeof(result->leak));
        result->leaked_bytes += (long)books->sorted[i]->size;
    }
    result->ended = true;
}
