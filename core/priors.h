/* Output biases that give what the training data give on average, before any step: training does
 * not have to find it first, which matters where classes are rare. With p_j the mean of target j,
 *
 *   softmax   b_j = ln p_j       sigmoid   b_j = ln (p_j / (1 - p_j))       linear   b_j = p_j
 *
 * p_j of the first two being kept within 1/2n .. 1 - 1/2n, n the rows; tanh keeps 0. (Bishop,
 * Neural Networks for Pattern Recognition, 7.) */
#ifndef PRIORS_H
#define PRIORS_H

#include "net.h"

/* Sets the biases of the net's last layer. data was checked, and has a row. Errors: ERR_MEMORY.
 * Thread: the net's. */
bool net_set_priors(struct net *net, const struct data *data, struct err *err);

#endif
