/* Libraries opened on demand, as systemd does with its optional ones: by SONAME, once. */
#include "util/lazy.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int lazy_open(const char *soname, const char *package, const struct lazy_symbol *symbols,
              void **handle, struct grid_error *err)
{
    if (*handle)
        return 0;
    errno = 0;
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!library && errno == ENOMEM)
        return grid_error_set(err, GRID_ENOMEM, "cannot open %s: no memory", soname);
    if (!library) {
        grid_error_set(err, GRID_EINTERNAL, "cannot open %s: %s", soname, dlerror());
        grid_error_hint(err, "install the package %s", package);
        return GRID_EINTERNAL;
    }
    for (; symbols->name; symbols++) {
        void *address = dlsym(library, symbols->name);
        if (!address) {
            dlclose(library);
            grid_error_set(err, GRID_EINTERNAL, "%s is too old: it has no %s", soname,
                           symbols->name);
            grid_error_hint(err, "install a newer version of the package %s", package);
            return GRID_EINTERNAL;
        }
        memcpy(symbols->slot, &address, sizeof(address));
    }
    *handle = library;
    return 0;
}
