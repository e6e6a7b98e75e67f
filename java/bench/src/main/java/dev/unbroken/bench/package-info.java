/**
 * What the companions for Java cost beside their peers. Every contender sees the same records, makes the same number of
 * spans and has the same SDK, which throws away what it is given.
 */
package dev.unbroken.bench;
