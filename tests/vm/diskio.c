// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disk I/O with contents that can be checked; static, for guests of tests/vm.
 *
 *   diskio DISK verify SECONDS   random blocks are written, and read back, by
 *                                several at once; ends well if all was right
 *   diskio DISK durable          numbered blocks, each batch followed by
 *                                fdatasync and a line "durable N"
 *   diskio DISK check N          the same blocks up to N are there (on the host)
 *   diskio DISK fill             writes from the start until that fails, tells
 *                                how far it came, and why it ended
 *   diskio DISK count            counts in block 0, one write after the other,
 *                                until the host writes to block 1
 *
 * Each block of 4 KiB says 512 times which one it is, and of which round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define WORDS (BLOCK / 8)
#define WORKERS 8
#define BATCH 16
/* The most that one request of verify has. */
#define RUN 64

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

static void stamp(uint64_t *block, uint64_t number, uint64_t round)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		block[i] = number << 20 | (round & 0xfffff);
}

/* False if it is not block @number, or not all of @round. */
static int stamped(const uint64_t *block, uint64_t number, uint64_t round)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		if (block[i] != (number << 20 | (round & 0xfffff)))
			return 0;
	return 1;
}

static uint64_t blocks_of(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < BLOCK * WORKERS)
		die("size");
	return (uint64_t)size / BLOCK;
}

static void *buffer(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void transfer(int fd, int write, void *buf, size_t len, uint64_t at)
{
	ssize_t n = write ? pwrite(fd, buf, len, (off_t)at) :
			    pread(fd, buf, len, (off_t)at);

	if (n != (ssize_t)len)
		die(write ? "write" : "read");
}

/* A worker has every WORKERS-th run of blocks for itself. */
static int verify(int fd, unsigned int worker, time_t end)
{
	uint64_t runs = blocks_of(fd) / RUN / WORKERS, seed = worker + 1;
	uint32_t *rounds = calloc(runs * RUN, sizeof(*rounds));
	uint64_t *buf = buffer(RUN * BLOCK), run, first, len, i, n = 0, at;

	if (!rounds || !runs)
		die("runs");
	while (time(NULL) < end) {
		run = next(&seed) % runs;
		first = next(&seed) % RUN;
		len = 1 + next(&seed) % (RUN - first);
		at = (run * WORKERS + worker) * RUN + first;
		if (next(&seed) & 1) {
			for (i = 0; i < len; i++)
				stamp(buf + i * WORDS, at + i,
				      ++rounds[run * RUN + first + i]);
			transfer(fd, 1, buf, len * BLOCK, at * BLOCK);
		} else {
			transfer(fd, 0, buf, len * BLOCK, at * BLOCK);
			for (i = 0; i < len; i++) {
				uint32_t r = rounds[run * RUN + first + i];

				if (r && !stamped(buf + i * WORDS, at + i, r)) {
					printf("diskio: block %llu is wrong\n",
					       (unsigned long long)(at + i));
					return 1;
				}
			}
		}
		if (++n % 64 == 0 && fdatasync(fd))
			die("fdatasync");
	}
	printf("diskio: worker %u: %llu requests\n", worker,
	       (unsigned long long)n);
	return 0;
}

static int verify_all(int fd, unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	int status, bad = 0;
	unsigned int i;

	for (i = 0; i < WORKERS; i++) {
		fflush(stdout);
		if (!fork())
			exit(verify(fd, i, end));
	}
	for (i = 0; i < WORKERS; i++)
		bad |= wait(&status) < 0 || status;
	puts(bad ? "diskio: bad" : "diskio: all is well");
	return bad;
}

static int durable(int fd)
{
	uint64_t *buf = buffer(BLOCK), blocks = blocks_of(fd), n;

	for (n = 0; n < blocks; n++) {
		stamp(buf, n, 1);
		transfer(fd, 1, buf, BLOCK, n * BLOCK);
		if (n % BATCH != BATCH - 1)
			continue;
		if (fdatasync(fd))
			die("fdatasync");
		printf("durable %llu\n", (unsigned long long)n + 1);
		fflush(stdout);
	}
	return 0;
}

static int check(int fd, uint64_t count)
{
	uint64_t *buf = buffer(BLOCK), n;

	for (n = 0; n < count; n++) {
		transfer(fd, 0, buf, BLOCK, n * BLOCK);
		if (!stamped(buf, n, 1)) {
			printf("diskio: block %llu of %llu is lost\n",
			       (unsigned long long)n,
			       (unsigned long long)count);
			return 1;
		}
	}
	printf("diskio: %llu blocks are there\n", (unsigned long long)count);
	return 0;
}

static int fill(int fd)
{
	uint64_t *buf = buffer(BLOCK), blocks = blocks_of(fd), n;

	for (n = 0; n < blocks; n++) {
		stamp(buf, n, 1);
		if (pwrite(fd, buf, BLOCK, (off_t)(n * BLOCK)) != BLOCK)
			break;
	}
	printf("diskio: filled %llu of %llu: %s\n", (unsigned long long)n,
	       (unsigned long long)blocks,
	       n < blocks ? strerror(errno) : "all");
	return 0;
}

static int count(int fd)
{
	uint64_t *buf = buffer(BLOCK), *end = buffer(BLOCK), n = 0;

	printf("diskio: counting\n");
	fflush(stdout);
	do {
		stamp(buf, ++n, 0);
		transfer(fd, 1, buf, BLOCK, 0);
		transfer(fd, 0, end, BLOCK, BLOCK);
	} while (!*end);
	printf("diskio: counted %llu\n", (unsigned long long)n);
	return 0;
}

int main(int argc, char **argv)
{
	int fd, ro;

	if (argc < 3)
		return 2;
	ro = !strcmp(argv[2], "check");
	fd = open(argv[1], ro ? O_RDONLY : O_RDWR | O_DIRECT);
	if (fd < 0)
		die(argv[1]);
	if (!strcmp(argv[2], "durable"))
		return durable(fd);
	if (!strcmp(argv[2], "fill"))
		return fill(fd);
	if (!strcmp(argv[2], "count"))
		return count(fd);
	if (argc != 4)
		return 2;
	return ro ? check(fd, strtoul(argv[3], NULL, 0)) :
		    verify_all(fd, (unsigned int)strtoul(argv[3], NULL, 0));
}
