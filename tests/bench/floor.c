/* Comparison (a): the least that any durable change of a locked file costs; it understands
 * nothing and writes the same bytes. */
#include "durable.h"

int main(int argc, char **argv)
{
    size_t length;
    char *text;

    if (argc != 2)
        return 2;
    durable_lock(argv[1]);
    text = durable_read(argv[1], &length);
    durable_replace(argv[1], text, length);
    free(text);
    return 0;
}
