/** What the vectors call a class that is built into the language: one without a package. */
@SuppressWarnings("serial")
public class ValueError extends RuntimeException {

    public ValueError(String message) {
        super(message);
    }
}
