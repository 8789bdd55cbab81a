/* The least that any program costs: what `grid boost status` is compared with. */
int main(void)
{
    return 0;
}
