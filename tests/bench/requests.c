// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest of tests/bench does to a disk: as fio(1) with bs=4k, direct=1 and
 * ioengine=psync, in a random order that is the same each time, but small enough
 * for an initramfs.
 *
 *   requests DISK read|write COUNT
 *
 * Prints the ticks of the processor's clock that a request takes, which in a lab
 * in instruction-count mode are instructions: of guest, VMM and host together.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define BLOCK 4096
/* Used in turn, so that requests reach over much of the guest's memory. */
#define BUFFERS 2048

static int die(const char *what)
{
	perror(what);
	return 1;
}

/* A generator of Knuth's, whose upper bits are good. */
static off_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (off_t)(*seed >> 33);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, start;
	unsigned long i, count;
	char *buffers;
	int fd, write;
	off_t size;

	if (argc != 4)
		return 2;
	write = !strcmp(argv[2], "write");
	count = strtoul(argv[3], NULL, 0);
	fd = open(argv[1], (write ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0)
		return die(argv[1]);
	size = lseek(fd, 0, SEEK_END);
	if (size < BLOCK || !count)
		return 2;
	buffers = mmap(NULL, BUFFERS * BLOCK, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffers == MAP_FAILED)
		return die("mmap");

	start = __rdtsc();
	for (i = 0; i < count; i++) {
		off_t at = next(&seed) % (size / BLOCK) * BLOCK;
		char *buffer = buffers + i % BUFFERS * BLOCK;

		if (write)
			memcpy(buffer, &i, sizeof(i));
		if ((write ? pwrite(fd, buffer, BLOCK, at) :
			     pread(fd, buffer, BLOCK, at)) != BLOCK)
			return die(argv[2]);
	}
	printf("random-%s %llu\n", argv[2],
	       (unsigned long long)(__rdtsc() - start) / count);
	return 0;
}
