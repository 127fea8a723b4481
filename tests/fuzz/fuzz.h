/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers of /dev/vireo share: random numbers, rounds, limits.
 *
 * A fuzzer runs rounds until its time is over.  Each round is a process of its
 * own, made from a seed of its own, so that a round that fails can be run
 * again alone, and that the death of a process is fuzzed as well.  The parent
 * watches: a round must end, no call may take for ever, and nothing of the
 * round may be left in the module.
 */
#ifndef VIREO_FUZZ_H
#define VIREO_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#define FUZZ_MAX_THREADS 16
#define FUZZ_MAX_OPS 48

/* A sequence of random numbers; of one thread. */
struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);
/* One of 0 to n - 1. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* True once in n times. */
bool rng_one_in(struct rng *r, unsigned int n);
/* A number where programs go wrong: near a power of two, all ones, ... */
uint64_t rng_edge(struct rng *r);

/* What a fuzzer does in one step; the name is shown. */
struct fuzz_op {
	const char *name;
	/* -errno, or anything else if it was done. */
	long (*fn)(void *ctx);
	/* How often it is chosen, relative to the others. */
	unsigned int weight;
	/* May fail each time. */
	bool hopeless;
};

/* What a thread is doing; shared with the parent. */
struct fuzz_thread {
	uint64_t step;
	uint64_t since; /* ns of CLOCK_MONOTONIC; 0: not in a step */
	int op;
	int tid;
};

struct fuzz_count {
	uint64_t done;
	uint64_t failed;
	uint64_t longest; /* ns */
	int error;	  /* of the last that failed */
};

/* Shared by the parent and all rounds. */
struct fuzz_board {
	struct fuzz_thread thread[FUZZ_MAX_THREADS];
	struct fuzz_count count[FUZZ_MAX_OPS];
	uint64_t accesses; /* that a guest made and user space saw */
	uint64_t checks;   /* that were made and held */
	uint64_t killed;   /* rounds that ended so */
	bool may_be_killed;
	char complaint[256]; /* a check that failed */
};

struct fuzz {
	const char *name;
	const struct fuzz_op *ops;
	int nr_ops;
	/* One round, in a process of its own: returns its exit status. */
	int (*round)(struct fuzz *f, uint64_t seed);
	/* From the command line. */
	uint64_t seed;
	unsigned int seconds;
	unsigned int threads;
	unsigned int steps; /* of each thread in a round */
	int64_t only;	    /* this round alone, or -1 */
	bool verbose;
	struct fuzz_board *board;
};

/* Parses the command line, runs the rounds, prints; the exit status. */
int fuzz_main(struct fuzz *f, int argc, char **argv);

/* For a round: does f->steps steps as thread number n. */
void fuzz_steps(struct fuzz *f, int n, struct rng *r, void *ctx);
/* For a round: a check failed; the first to say so is heard. */
__attribute__((format(printf, 2, 3))) void fuzz_complain(struct fuzz *f,
							 const char *fmt, ...);
/* For a round: says that a check held. */
void fuzz_checked(struct fuzz *f);

/*
 * A step: a child does something with the same descriptors and mappings, and
 * ends, or is killed.
 */
long fuzz_fork(struct fuzz *f, struct rng *r, void (*child)(void *ctx),
	       void *ctx);
/* A step: takes the round down, in the middle of whatever its threads do. */
long fuzz_kill(struct fuzz *f, struct rng *r);

/*
 * Interrupts the calling thread's system calls by a signal, each so many
 * microseconds, until it ends.
 */
void fuzz_kick_me(unsigned int usec);

#endif
